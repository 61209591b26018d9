//! A small seeded generator (xorshift64*, Vigna 2016), so that every run can be repeated from the seed that
//! it prints.
//!
//! Not for keys or salts.

/// A stream of pseudo-random numbers, fully determined by its seed.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// Starts a stream. Seeds that differ in one bit give unrelated streams.
    pub fn new(seed: u64) -> Self {
        let mut rng = Self((seed ^ 0x9e37_79b9_7f4a_7c15).max(1));
        for _ in 0..8 {
            rng.next_u64();
        }
        rng
    }

    /// The seed in the environment variable `name`, or else one from the clock; the caller prints it.
    pub fn seed_from_env(name: &str) -> u64 {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or_else(|| {
            let now = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
            now.as_secs() ^ (u64::from(now.subsec_nanos()) << 20)
        })
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `bound`, which must not be 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next_u64() % bound
    }

    /// A number from 0 up to, not including, 1.
    pub fn unit(&mut self) -> f64 {
        const RANGE: f64 = (1u64 << 53) as f64;
        (self.next_u64() >> 11) as f64 / RANGE
    }

    /// Fills `out` with bytes that do not compress.
    pub fn fill(&mut self, out: &mut [u8]) {
        // Word by word: tests make gigabytes of it, and this crate is not optimised.
        let (words, rest) = out.as_chunks_mut::<8>();
        for word in words {
            *word = self.next_u64().to_le_bytes();
        }
        if !rest.is_empty() {
            let word = self.next_u64().to_le_bytes();
            rest.iter_mut().zip(word).for_each(|(to, from)| *to = from);
        }
    }

    /// `len` bytes that do not compress.
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut out = vec![0; len];
        self.fill(&mut out);
        out
    }
}
