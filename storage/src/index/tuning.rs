//! RocksDB's options: fixed memory, every checksum on, no journal.
//!
//! Total memory, however large the libraries are: [`CACHE_BYTES`] for blocks, indexes and filters,
//! [`MEMTABLE_BYTES`] for entries that are not flushed, and the table handles of [`OPEN_FILES`] files. A
//! second index during a rebuild needs the last two once more.

use std::io;

use chuan_engine::{Error, Result};
use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, ColumnFamilyDescriptor, DBCompressionType,
    DEFAULT_COLUMN_FAMILY_NAME, LogLevel, LruCacheOptions, Options, ReadOptions, WriteOptions,
};

pub(crate) use rocksdb::Cache;

use crate::resources::try_threads;

/// Bytes of a mebibyte.
const MIB: usize = 1024 * 1024;
/// Bytes of the block cache.
const CACHE_BYTES: usize = 32 * MIB;
/// Also how much the next open indexes again after a crash: about 60 bytes for each record.
const MEMTABLE_BYTES: usize = 16 * MIB;
const OPEN_FILES: i32 = 64;
/// Threads of RocksDB, each with the system's usual stack, and the threads of the store.
const THREADS: usize = 6;
/// Bytes of the stack of such a thread.
const STACK_BYTES: usize = 8 * MIB;
/// Memory of an open index, with room for a compaction.
const MEMORY_BYTES: usize = CACHE_BYTES + 2 * MEMTABLE_BYTES + 16 * MIB;
const BLOOM_BITS: f64 = 10.0;

/// Options of the database. With `exists`, neither it nor a column family is created: a missing one is
/// damage.
pub(super) fn database(exists: bool) -> Options {
    let mut options = Options::default();
    options.create_if_missing(!exists);
    options.create_missing_column_families(!exists);
    options.set_paranoid_checks(true);
    // All column families are flushed together: the position is never ahead of the entries.
    options.set_atomic_flush(true);
    options.set_db_write_buffer_size(MEMTABLE_BYTES);
    options.set_max_open_files(OPEN_FILES);
    options.set_max_background_jobs(2);
    // The default starts 90 threads at each open, to open a few files.
    options.set_max_file_opening_threads(1);
    options.set_manifest_preallocation_size(64 * 1024);
    options.set_max_log_file_size(MIB);
    options.set_keep_log_file_num(2);
    options.set_log_level(LogLevel::Warn);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options.set_skip_stats_update_on_db_open(true);
    options
}

/// One cache for all column families, and for both indexes during a rebuild.
pub(crate) fn cache() -> Cache {
    let mut options = LruCacheOptions::default();
    options.set_capacity(CACHE_BYTES);
    // Few shards: a filter's partition must fit into one beside others.
    options.set_num_shard_bits(2);
    Cache::new_lru_cache_opts(&options)
}

/// All column families. The default one is empty; without options of its own it would have a cache of its
/// own.
pub(super) fn families(cache: &Cache) -> Vec<ColumnFamilyDescriptor> {
    let named = FAMILIES.map(|(name, bytes)| (name, column_family(cache, bytes)));
    let all = named.into_iter().chain([(DEFAULT_COLUMN_FAMILY_NAME, column_family(cache, MIB))]);
    all.map(|(name, options)| ColumnFamilyDescriptor::new(name, options)).collect()
}

/// Fails where the system does not give the memory and the threads that an open index uses: RocksDB ends the
/// process where it cannot get them.
pub(super) fn check_resources() -> Result<()> {
    let failed = |error: io::Error| Error::Io {
        context: format!(
            "the index needs {} MiB of memory and {THREADS} threads; raise the limits of this process (ulimit -v, \
             ulimit -u), or end other programs",
            MEMORY_BYTES / MIB
        ),
        source: error,
    };
    let mut memory: Vec<u8> = Vec::new();
    memory.try_reserve_exact(MEMORY_BYTES).map_err(|_| failed(io::ErrorKind::OutOfMemory.into()))?;
    let tried = try_threads(THREADS, Some(STACK_BYTES));
    // Held until here, together with the stacks, and not optimized away.
    drop(std::hint::black_box(memory));
    tried.map_err(failed)
}

/// Options of a column family whose memtable holds at most `memtable_bytes`.
pub(super) fn column_family(cache: &Cache, memtable_bytes: usize) -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    table.set_block_size(4096);
    table.set_cache_index_and_filter_blocks(true);
    table.set_pin_l0_filter_and_index_blocks_in_cache(true);
    table.set_bloom_filter(BLOOM_BITS, false);
    // In partitions, so that the index and filter of a large library go through the cache page by page.
    table.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
    table.set_partition_filters(true);
    table.set_metadata_block_size(4096);
    table.set_format_version(5);
    let mut options = Options::default();
    options.set_block_based_table_factory(&table);
    options.set_compression_type(DBCompressionType::None);
    options.set_write_buffer_size(memtable_bytes);
    options.set_max_write_buffer_number(2);
    // Most look-ups before an append find nothing.
    options.set_memtable_whole_key_filtering(true);
    options.set_memtable_prefix_bloom_ratio(0.05);
    options.set_paranoid_checks(true);
    options
}

/// Column families and the bytes of their memtables.
pub(super) const FAMILIES: [(&str, usize); 5] = [
    (super::META, MIB),
    (super::CHUNKS, 8 * MIB),
    (super::PAGES, 4 * MIB),
    (super::MARKS, 2 * MIB),
    (super::LOST, MIB),
];

pub(super) fn read() -> ReadOptions {
    let mut options = ReadOptions::default();
    options.set_verify_checksums(true);
    options
}

/// No journal: entries that a crash removes from the memtables are read from the segments again.
pub(super) fn write() -> WriteOptions {
    let mut options = WriteOptions::default();
    options.disable_wal(true);
    options
}
