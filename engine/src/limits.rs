//! All bounds of formats, protocol and memory, as named constants, and the relations that must hold between
//! them. [`mod@format`] has the sizes that a format fixes.

mod follow;
pub mod format;
mod restore;

use std::time::Duration;

pub use self::{follow::*, restore::*};

/// Bytes of a path component at most.
pub const PATH_COMPONENT_BYTES: usize = 255;
/// Bytes of a path at most.
pub const PATH_BYTES: usize = 4096;
/// Components of a path at most.
pub const PATH_DEPTH: usize = 64;

/// Bytes of a chunk at most, in any profile.
pub const CHUNK_BYTES: usize = 256 * 1024;
/// Bytes that a chunker requests from its source at a time: enough to make system calls cheap, and few enough
/// to stay in the cache of a core between reading and cutting. A chunk that is kept also keeps its whole
/// buffer, so larger buffers would cost memory.
pub const CHUNKER_READ_BYTES: usize = 1024 * 1024;
/// Chunks that an entry lists inline at most. More chunks become a tree.
pub const INLINE_CHUNKS: usize = 4;
/// Extensions of an entry at most.
pub const EXTENSIONS: usize = 16;
/// Bytes of all extensions of an entry together, at most: the first path of a link group, all holes, and 1
/// KiB for others.
pub const EXTENSION_BYTES: usize = 7 * 1024;
/// Bytes of an entry's extended attributes at most: names, values and their lengths.
pub const XATTR_BYTES: usize = 1024;
/// Holes of an entry at most. Of more holes, the largest are kept.
pub const HOLES: usize = 128;
/// Holes of a file that a publish examines at most. It keeps the largest of these.
pub const HOLES_SEEN: usize = 1 << 16;
/// Link groups that a publish remembers while they may get another name, at most, at about 200 bytes each.
/// Files of more groups are published as separate files.
pub const LINK_GROUPS: usize = 1 << 17;

/// Bytes of content after which a publish counts its total.
pub const INGEST_TOTAL_AFTER_BYTES: u64 = 256 << 20;

/// Items of a page at least. The last page of a level may have fewer, and so may a page that reaches
/// [`PAGE_BYTES`] first.
pub const PAGE_ITEMS_MIN: usize = 16;
/// Items of a page, on average.
pub const PAGE_ITEMS_AVG: usize = 64;
/// Items of a page at most.
pub const PAGE_ITEMS_MAX: usize = 256;
/// Encoded bytes of a page at most.
pub const PAGE_BYTES: usize = 64 * 1024;
/// Bytes of a large file that one thread cuts at a time. A publish holds a few such parts in memory.
pub const INGEST_PART_BYTES: u64 = 16 * 1024 * 1024;
/// Bytes of a file at most that shares a job and a buffer with others in a publish.
pub const INGEST_SMALL_BYTES: u64 = 256 * 1024;
/// Attempts to read a file that changes while a publish reads it.
pub const INGEST_ATTEMPTS: u32 = 3;
/// Delay before a changed file is read again, multiplied by the number of attempts so far: time for a writer
/// to finish.
pub const INGEST_RETRY_DELAY: Duration = Duration::from_millis(50);
/// Bytes of a file at most that a publish searches for keys: a key that was pasted into notes is also a key.
pub const INGEST_SEARCHED_BYTES: u64 = 64 * 1024;
/// Bytes of a key file at most: an encrypted one has about 500.
pub const KEY_FILE_BYTES: u64 = 4096;
/// Bytes of the backup of a home at most. A publish recognises a backup by its first bytes, in every file
/// that shares a buffer with others.
pub const BACKUP_FILE_BYTES: u64 = 256 * 1024;
/// Bytes at the beginning of a file in which the heading of a backup is looked up.
pub const BACKUP_HEAD_BYTES: usize = 4096;
/// Chunks of the older version of a file that guide the cutting of the new version, at most, at about 64
/// bytes each.
pub const GUIDE_CHUNKS: usize = 1 << 18;
/// Bytes of an exclude list at most.
pub const EXCLUDE_BYTES: usize = 64 * 1024;
/// Patterns of an exclude list at most.
pub const EXCLUDE_PATTERNS: usize = 4096;
/// Levels of a tree at most. Each level has at most half as many items as the level below, in practice a
/// fiftieth.
pub const TREE_LEVELS: u8 = 32;
/// Chunks of an old content that a comparison remembers at most, at about 30 bytes each.
pub const DIFF_CHUNKS: usize = 1 << 20;
/// Pages that a comparison reads at a time.
pub const DIFF_READ_PAGES: usize = 64;
/// Consecutive new chunks that a comparison reports together, at most.
pub const DIFF_RUN_CHUNKS: usize = 1024;
/// New chunks that a comparison collects before it reports them, at most.
pub const DIFF_GATHERED: usize = 16 * DIFF_RUN_CHUNKS;
/// Runs of old chunks that a comparison reports as unused by the new content, at most.
pub const DIFF_SPARES: usize = 64;
/// Old pages that a comparison reports as replaced by one new page, at most.
pub const DIFF_STOOD_PAGES: usize = 16;
/// Pages and chunks that a walk over a class looks up before its marks are worth a write to the disk.
pub const WALK_KEPT: u64 = 1 << 12;
/// Pages or chunks that a walk over a class remembers as visited, at most.
pub const WALK_SEEN: usize = 1 << 14;
/// Classes of a library at most.
pub const CLASSES: usize = 64;
/// Bytes of a class's name at most.
pub const CLASS_NAME_BYTES: usize = 64;
/// Bytes of a class's rules at most.
pub const CLASS_POLICY_BYTES: usize = 4096;
/// Patterns of a class's rules at most.
pub const CLASS_PATTERNS: usize = 256;
/// Bytes of one such pattern at most.
pub const CLASS_PATTERN_BYTES: usize = 1024;
/// Fallback paths of a class at most.
pub const CLASS_FALLBACKS: usize = 16;
/// Entries of a class at most.
pub const CLASS_ENTRIES: u64 = 1 << 32;

/// Bytes of a statement at most, signatures included.
pub const STATEMENT_BYTES: usize = 64 * 1024;
/// Signatures of a statement at most.
pub const SIGNATURES: usize = 32;
/// Parents of a release at most.
pub const RELEASE_PARENTS: usize = 8;
/// Bytes of a name (library, node, channel) at most.
pub const NAME_BYTES: usize = 64;
/// Bytes of a region's name at most.
pub const REGION_BYTES: usize = 32;
/// Bytes of a release's message at most.
pub const MESSAGE_BYTES: usize = 4096;
/// How far a new sequence may be above the highest known sequence.
pub const SEQUENCE_JUMP: u64 = 1 << 20;
/// Statements of one kind that one key may have in a library, at most. It limits how much the holder of a
/// stolen key can write.
pub const STATEMENTS_PER_KEY: usize = 1 << 16;
/// Bytes of the statements of one kind that one key may have in a library, at most. Roots are not included:
/// see [`ROOTS_BYTES`].
pub const STATEMENT_BYTES_PER_KEY: usize = 32 * 1024 * 1024;
/// Roots of a library at most: more than the key changes of a library in its lifetime. For each statement,
/// all roots are searched for its signers.
pub const ROOTS: usize = 1024;
/// Bytes of the roots of one library at most, whatever keys signed them: a root with all pins each month for
/// twenty years, or thousands of roots of the usual size. No other kind counts, so no thief keeps out the
/// root that removes its key. No rate limits them, since all of them may arrive at once at a new node.
pub const ROOTS_BYTES: usize = 8 * 1024 * 1024;
/// Bytes of the revocations of one library at most, whatever keys signed them: more than one stolen key can
/// make, and no other kind counts. So the operators can always revoke a node.
pub const REVOCATIONS_BYTES: usize = 48 * 1024 * 1024;
/// Bytes of all other statements of one library at most, whatever keys signed them: more than the releases
/// and channel statements of one stolen publisher's key. In memory, statements take about four times their
/// bytes. Without this limit, the owner of one library fills the memory and the disk of a node that other
/// libraries need too: a root may name new keys at any time, and each key has a limit of its own.
pub const LIBRARY_STATEMENTS_BYTES: usize = 96 * 1024 * 1024;
/// The limit of [`STATEMENT_BYTES_PER_KEY`] for a key that the newest root no longer names, for the kinds of
/// which all statements are accepted. These statements are not effective. Only their sequences matter: other
/// statements were given sequences above theirs.
pub const REMOVED_BYTES_PER_KEY: usize = 4 * 1024 * 1024;
/// Bytes of a policy's body at most.
pub const POLICY_BYTES: usize = 48 * 1024;
/// Fields of a policy, and of one of its rows, at most.
pub const POLICY_FIELDS: usize = 256;
/// Excludes of a policy at most.
pub const POLICY_EXCLUDES: usize = 256;
/// Channels of a library at most. A node looks at each channel whenever it hears of the library, at least at
/// every start.
pub const CHANNELS: usize = 256;
/// Policies that one key may sign for a library, at most. All policies are stored, and each is large.
pub const POLICIES_PER_KEY: usize = 1024;
/// Regions that a policy names for a class, at most.
pub const POLICY_REGIONS: usize = 64;
/// Successor keys that one node may have in a library since an operator bound a key to it, at most: a new key
/// each month for five years. Without this limit, each key could sign a successor without end. No rate limits
/// them, since all of them may arrive at once at a new node.
pub const SUCCESSIONS: usize = 64;
/// Successors of one key that are kept, the smallest ones: enough to prove that one of them is a thief's.
pub const KEY_SUCCESSORS: usize = 2;
/// Nodes above the allowed uses that are recorded for a ticket, at most. One is already proof that the ticket
/// was copied.
pub const TICKET_OVERUSE: usize = 64;
/// Statements that are stored for one node's join with one ticket, at most. Several redeemers may have
/// answered the node.
pub const CLAIMS: usize = 4;
/// Statements on one subject that equivalent statements may displace, at most. Subjects are the successions
/// of one key, and the claims of one node on one ticket. A thief of the keys can sign any number of
/// equivalent statements and can choose their order.
pub const DISPLACED: usize = 16;
/// Checkpoints that are stored for one key of a node, at most: the newest.
pub const CHECKPOINTS: usize = 32;
/// Statements of one recurring kind that a node accepts at once from one key on one subject. All that are
/// stored of a subject may arrive in one exchange.
pub const PASSING_BURST: u32 = 32;
/// Period in ms after which a node accepts one more such statement: for statements of timekeepers, and for
/// checkpoints.
pub const PASSING_PERIODS_MS: [i64; 2] = [10_000, 60_000];
/// The same number for one key and kind on all subjects together. A key may vouch for many channels.
pub const SIGNER_BURST: u32 = 256;
/// Period in ms after which a node accepts one more statement from a key on any subject: for statements of
/// timekeepers, and for checkpoints.
pub const SIGNER_PERIODS_MS: [i64; 2] = [2_500, 60_000];
/// Pairs of signer and subject, and signers, whose remaining rate a node remembers for a library and a kind,
/// at most.
pub const RATED_SUBJECTS: usize = 4096;
/// Bytes of the reason of a revocation at most.
pub const REASON_BYTES: usize = 256;
/// How long an old node key may remain valid after its succession, in ms, at most: thirty days.
pub const GRACE_MS: u64 = GRACE_DAYS * 24 * 3600 * 1000;
/// The same in days.
pub const GRACE_DAYS: u64 = 30;
/// Statements that a root pins although it no longer names their signers, at most.
pub const PINS: usize = 1024;
/// Pin lists that a root names, at most.
pub const PIN_LISTS: usize = 64;
/// Statements in one pin list at most.
pub const PIN_LIST_IDS: usize = 1400;
/// Role entries of a root at most.
pub const ROLES: usize = 64;
/// Keys of a role at most: the same as the signatures of a statement.
pub const ROLE_KEYS: usize = SIGNATURES;
/// Roots in a file of roots at most: all of a library.
pub const DRAFT_ROOTS: usize = ROOTS;
/// Bytes of a file of roots at most.
pub const DRAFT_BYTES: usize = 16 * 1024 * 1024;
/// Statements in a request file at most: the roots, and the statements that show a signer the state that the
/// request replaces.
pub const REQUEST_STATEMENTS: usize = DRAFT_ROOTS + 128;
/// Bytes of a request file at most.
pub const REQUEST_BYTES: usize = DRAFT_BYTES;
/// How long a request may collect signatures, in ms. The state that it was made from becomes outdated.
pub const REQUEST_MS: i64 = 14 * 24 * 3600 * 1000;
/// Statements in a bundle at most.
pub const BUNDLE_STATEMENTS: usize = 1 << 18;
/// Bytes of a bundle at most.
pub const BUNDLE_BYTES: usize = 64 * 1024 * 1024;
/// Nodes that may redeem one ticket at most.
pub const TICKET_REDEEMERS: usize = 32;
/// Members that one ticket may add at most.
pub const TICKET_USES: u32 = 4096;
/// Addresses in a ticket or a hello at most.
pub const ADDRESSES: usize = 16;
/// Bytes of an address at most.
pub const ADDRESS_BYTES: usize = 256;
/// Bytes of a ticket's text at most.
pub const TICKET_BYTES: usize = 9216;

/// Bytes of an audit record at most.
pub const AUDIT_RECORD_BYTES: usize = 2048;
/// Bytes of the subject of an audit record at most.
pub const AUDIT_SUBJECT_BYTES: usize = 1024;
/// Bytes of the reason why an audit record's action was refused or failed, at most.
pub const AUDIT_REASON_BYTES: usize = 512;
/// Highest record count of a checkpoint from which an audit log may continue. A real log never reaches this
/// count. Without the limit, the holder of a stolen node key could exhaust the record numbers of the log.
pub const AUDIT_JUMP_COUNT: u64 = 1 << 48;
/// Bytes that an audit log may hold unsynced. A crash can tear at most this much, so a longer invalid tail is
/// never treated as torn.
pub const AUDIT_TORN_BYTES: usize = 64 * 1024;

/// Bytes of a batch of the ledger at most, including its frame.
pub const LEDGER_FRAME_BYTES: usize = 64 * 1024 * 1024;
/// Bytes of records in a frame that a compaction writes, approximately. One damaged sector can lose this
/// much.
pub const LEDGER_PACKED_BYTES: usize = 4 * 1024;
/// Size of a ledger file in bytes below which it is never compacted.
pub const LEDGER_COMPACT_BYTES: u64 = 1024 * 1024;
/// Bytes by which the allocation of a ledger file grows.
pub const LEDGER_ROOM_BYTES: u64 = 64 * 1024;
/// Bytes of the text that describes the location of a lost record, at most.
pub const LEDGER_PLACE_BYTES: usize = 512;

/// Bytes of a sealed segment file at most.
pub const SEGMENT_BYTES: u64 = 64 * 1024 * 1024;
/// Records of a segment at most. A reader of the footer, and a rebuild of the index, hold all of them in
/// memory, at some hundred bytes each. Without the limit, a library of tiny files would need more memory than
/// a process may use.
pub const SEGMENT_RECORDS: usize = 128 * 1024;
/// Segments that a store keeps open for appends, at most: one for each of the libraries that were written to
/// last.
pub const OPEN_SEGMENTS: usize = 16;
/// Base-2 logarithm of the largest compression window of a packed record: the window of the largest chunk.
pub const RECORD_WINDOW_LOG: u32 = 18;
/// Bytes of payload of a record of a reserved kind at most. A reader skips such a payload.
pub const RESERVED_RECORD_BYTES: usize = 1024 * 1024;
/// Alignment of group commits in a segment.
pub const SEGMENT_BLOCK: usize = 4096;
/// Bytes appended before the store commits a group on its own. One more group may be on its way to the disk
/// at that time.
pub const GROUP_BYTES: u64 = 4 * 1024 * 1024;
/// Bytes passed to the store and not yet written, at most.
pub const APPEND_QUEUE_BYTES: u64 = 4 * 1024 * 1024;
/// Ids in one existence check or read, at most.
pub const BATCH_IDS: usize = 1024;

/// When a grant expires, or the grace of a key ends, the answers that depend on it end within this time.
pub const GRANT_TICK: Duration = Duration::from_secs(1);
/// The first wait for a source that is busy.
pub const BUSY_WAIT_FIRST: Duration = Duration::from_millis(500);
/// The longest wait for a source that is busy, before it is asked again.
pub const BUSY_WAIT_LONGEST: Duration = Duration::from_secs(4);
/// All waits for one busy source: longer than a source keeps a connection whose other end was killed.
pub const BUSY_WAIT_TOTAL: Duration = Duration::from_secs(24);
/// The next source of a pull is dialled when the previous one has not answered for this long.
pub const SOURCE_STAGGER: Duration = Duration::from_millis(250);
/// A source that answers within this time after its dial began comes before a later one in the order that
/// answered first.
pub const SOURCE_GRACE: Duration = Duration::from_millis(300);
/// Sources of a pull that are dialled at one time.
pub const SOURCES_DIALLED: usize = 8;

/// Bytes of a hello at most. A hello is read from any sender, before anything is known about it.
pub const HELLO_BYTES: usize = 8 * 1024;
/// Bytes of a request from a node that is a member of no library here, at most. A
/// [`Join`](crate::sync::message::Join) is smaller, and every other request of such a node is denied.
pub const UNKNOWN_PEER_REQUEST_BYTES: usize = 512;
/// Bytes of a control frame (request, inventory) at most.
pub const FRAME_CONTROL_BYTES: usize = 1024 * 1024;
/// Bytes of a chunk frame at most: the chunk and space for its header.
pub const FRAME_CHUNK_BYTES: usize = CHUNK_BYTES + 64;
/// Bytes that one delta frame reconstructs at most.
pub const DELTA_RAW_BYTES: usize = 1024 * 1024;
/// Bytes of the base of one delta frame at most.
pub const DELTA_BASE_BYTES: usize = 2 * 1024 * 1024;
/// Chunks in the base of one delta frame at most.
pub const DELTA_BASE_CHUNKS: usize = DELTA_RUNS * BATCH_IDS;
/// Chunks or pages in one delta frame at most.
pub const DELTA_ITEMS: usize = 256;
/// Runs of chunks or pages in the base of one delta frame at most.
pub const DELTA_RUNS: usize = 16;
/// Bytes of a delta frame at most: the bytes that it reconstructs, and its fields.
pub const FRAME_DELTA_BYTES: usize = DELTA_RAW_BYTES + 5 * DELTA_ITEMS + 32 * DELTA_RUNS + 64;
/// Commitments in the `have` of a pull at most: two versions of each class of a library with the most
/// classes.
pub const PULL_HAVE: usize = 2 * CLASSES;
/// Positions or ranges in one request at most.
pub const REQUEST_POSITIONS: usize = 4096;
/// Statements that a pull lists as known, at most.
pub const PULL_KNOWN: usize = 16;
/// Statements in a hello at most; [`HELLO_BYTES`] bounds them all.
pub const HELLO_STATEMENTS: usize = 16;
/// Bytes of a frame with only a few fixed fields (end, error) at most.
pub const FRAME_SMALL_BYTES: usize = 1024;
/// Bytes of a frame payload that is assembled in its own allocation, at most. If it is kept for long, it
/// keeps no larger buffer alive.
pub const FRAME_OWN_BYTES: usize = 4 * 1024;
/// Reusable buffers in which the frames of one stream are assembled: those on their way to the disk.
pub const FRAME_SLABS: usize = 10;
/// Bytes of a class table's or class header's frame at most.
pub const FRAME_HEADER_BYTES: usize = 8 * 1024;
/// Bytes of a frame that lists held releases, at most.
pub const FRAME_HOLDING_BYTES: usize = 4 * 1024;
/// Bytes of the text of a refusal at most.
pub const REFUSAL_BYTES: usize = 512;
/// Bytes of chunks that an answer reads at a time.
pub const ANSWER_BATCH_BYTES: usize = 1024 * 1024;
/// Chunks and pages that an answer remembers as sent, at most: sixteen bytes each, for every answer in
/// progress.
pub const ANSWER_SENT: u64 = 128 * 1024;
/// Removed files among which an answer searches for the base of a new file, at most.
pub const ANSWER_REMOVED: usize = 16 * 1024;
/// Removed files that an answer compares with one new file, at most.
pub const ANSWER_BASES: usize = 4;
/// Paths that an answer looks up in the versions before the base, at most.
pub const ANSWER_LOOKUPS: usize = 16 * 1024;
/// Bytes that an answer encodes as deltas at any link speed. For so few bytes, the time for the encoding does
/// not matter.
pub const ANSWER_FREE_BYTES: u64 = 32 * 1024 * 1024;
/// Chunks of the base among which an answer searches for the source of new paths, at most.
pub const ANSWER_SAMPLED: u64 = 256 * 1024;
/// One in this many of those chunks is remembered.
pub const ANSWER_SAMPLE: u8 = 8;
/// Bytes of unused old chunks among which an answer searches for bytes that resemble the new chunks of one
/// file, at most.
pub const SEARCH_BYTES: u64 = 64 * 1024 * 1024;
/// The same for all files of an answer together.
pub const ANSWER_SEARCH_BYTES: u64 = 256 * 1024 * 1024;
/// Shingles of those bytes that are remembered, approximately, at eight bytes each.
pub const SEARCH_SHINGLES: u64 = 256 * 1024;
/// Chunks that are read at a time for their shingles.
pub const SEARCH_BATCH_CHUNKS: usize = 16;
/// Consecutive walks over a class in which a fetch finds damage in its own store and nothing to request,
/// before it fails.
pub const BARREN_PASSES: u32 = 4;
/// Requests that a fetch has in progress at most.
pub const FETCH_REQUESTS: usize = 2;
/// Versions of a class that a fetch lists as held, at most. More would cost bytes in every pull, and an older
/// base is of little use.
pub const FETCH_HAVE: usize = 4;
/// Ancestors of an announced release that may be taken instead of it, at most: the newest.
pub const TAKEABLE_ANCESTORS: usize = 1024;
/// Releases among which a fetch searches for those versions, newest first, at most.
pub const FETCH_RELEASES: usize = 16;
/// Pages in one request of a fetch at most.
pub const FETCH_PAGES: usize = 1024;
/// Bytes of chunks in one request of a fetch, approximately.
pub const FETCH_WINDOW_BYTES: u64 = 64 * 1024 * 1024;
/// Chunks in one request of a fetch, approximately.
pub const FETCH_WINDOW_CHUNKS: usize = 32 * 1024;
/// Bytes that a fetch collects before it passes them to the store.
pub const APPEND_BYTES: usize = 1024 * 1024;
/// Bytes of received objects that a fetch remembers as held: more than the bytes in a store that are not yet
/// visible.
pub const RECENT_BYTES: u64 = 64 * 1024 * 1024;
/// Bytes that each remembered object adds to its size: about the memory that its entry takes. So the number
/// of tiny objects is limited too.
pub const RECENT_OBJECT_BYTES: u64 = 128;
/// Pages that a fetch expects at a time, at most.
pub const EXPECTED_PAGES: usize = 64 * 1024;
/// Chunks that a fetch expects at a time, at most.
pub const EXPECTED_CHUNKS: usize = 256 * 1024;
/// Buckets in which two nodes compare the statements that they know: one for each value of a byte.
pub const EXCHANGE_BUCKETS: usize = 256;
/// Ids in one message of an exchange at most.
pub const EXCHANGE_IDS: usize = 16 * 1024;
/// Bytes of statements in one message of an exchange at most.
pub const EXCHANGE_BYTES: usize = 768 * 1024;
/// Messages in one exchange at most. The rest is sent in the next exchange.
pub const EXCHANGE_ROUNDS: u32 = 64;
/// Peers that one answer names, at most.
pub const ANSWER_PEERS: usize = 64;
/// Statements in one answer at most.
pub const ANSWER_STATEMENTS: usize = 4096;
/// Bytes of the statements in one answer at most. The requester keeps them in memory until all have arrived.
pub const ANSWER_STATEMENTS_BYTES: usize = 2 * 1024 * 1024;
/// Releases that an answer lists as held, at most.
pub const ANSWER_HELD: usize = 64;
/// Releases among which an answer searches for held ones, newest first, at most.
pub const ANSWER_RELEASES: usize = 1024;
/// Useless bytes that are accepted from a source in addition to as many bytes as were useful. A source that
/// sends more does not do so by an honest mistake.
pub const FETCH_WASTE_BYTES: u64 = 64 * 1024 * 1024;
/// Bytes that a useless frame is charged at least: the cost to examine it.
pub const WASTE_FRAME_BYTES: usize = 1024;
/// Files that one publish may remove whatever their share of the library is, at most, if they are small and
/// other files remain.
pub const FEW_FILES: u64 = 4;
/// Bytes of all such files together, at most.
pub const FEW_BYTES: u64 = 1024 * 1024;
/// How many times a fetch repeats its request to a source whose statements named another release than the
/// requested one.
pub const FETCH_TURNS: u32 = 2;

/// Names in a folder of the destination that a restore lists at a time, at most.
pub const LISTED_NAMES: usize = 64 * 1024;
/// Bytes of a block of the record of a restored folder, at most.
pub const RECORD_BLOCK_BYTES: usize = 64 * 1024;

const _: () =
    assert!(PAGE_ITEMS_MIN >= 2 && PAGE_ITEMS_MIN < PAGE_ITEMS_AVG && PAGE_ITEMS_AVG < PAGE_ITEMS_MAX);
const _: () = assert!(RESTORE_SMALL_BYTES <= RESTORE_DIRECT_BYTES);
// Two of the largest entries fit in a page, so every level shrinks.
const _: () = assert!(2 * (2 * PATH_BYTES + EXTENSION_BYTES + 1024) <= PAGE_BYTES);
const _: () = assert!(PATH_BYTES + 16 * HOLES + XATTR_BYTES <= EXTENSION_BYTES);
const _: () = assert!(BACKUP_FILE_BYTES <= INGEST_SMALL_BYTES);
// A policy fits in its statement with all signatures.
const _: () = assert!(POLICY_BYTES + 61 + SIGNATURES * 96 <= STATEMENT_BYTES && POLICY_REGIONS <= 255);
const _: () = assert!(PASSING_BURST as usize >= CHECKPOINTS);
// One stolen key fills a library neither with releases and channels nor with revocations.
const _: () = assert!(LIBRARY_STATEMENTS_BYTES > 2 * STATEMENT_BYTES_PER_KEY);
const _: () = assert!(REVOCATIONS_BYTES > STATEMENT_BYTES_PER_KEY && ROOTS_BYTES >= 128 * STATEMENT_BYTES);
// Counts in the body of a statement take one byte, except for the pins and the excludes of a policy. The
// lists of a root can pin all known statements of one key.
const _: () = assert!(PIN_LISTS * PIN_LIST_IDS >= STATEMENTS_PER_KEY && PIN_LISTS <= 255);
const _: () = assert!(32 * (PIN_LIST_IDS + 2) + 256 <= STATEMENT_BYTES && PIN_LIST_IDS <= u16::MAX as usize);
const _: () = assert!(ROLES <= 255 && ROLE_KEYS <= 255 && SIGNATURES <= 255 && TICKET_REDEEMERS <= 255);
const _: () = assert!(CLASSES <= 255 && RELEASE_PARENTS <= 255 && ADDRESSES <= 255 && NAME_BYTES <= 255);
// A full answer of an exchange, or all statements that a peer may send at once, fit in one batch.
const _: () = assert!(LEDGER_FRAME_BYTES >= 32 * FRAME_CONTROL_BYTES);
const _: () = assert!(LEDGER_PLACE_BYTES + 8 <= STATEMENT_BYTES);
const _: () = assert!(AUDIT_SUBJECT_BYTES + AUDIT_REASON_BYTES + 256 <= AUDIT_RECORD_BYTES);
const _: () = assert!(AUDIT_RECORD_BYTES <= u16::MAX as usize && 4 * AUDIT_RECORD_BYTES <= AUDIT_TORN_BYTES);
// A full ticket fits in its text: base32 takes eight letters for five bytes.
const _: () = assert!(
    (ADDRESSES * (2 + ADDRESS_BYTES) + 32 * TICKET_REDEEMERS + NAME_BYTES + 256) * 8 / 5 + 8 <= TICKET_BYTES
);
// One chunk or page always fits in a delta, with both its neighbours as the base.
const _: () = assert!(DELTA_RAW_BYTES >= CHUNK_BYTES && DELTA_BASE_BYTES >= 3 * CHUNK_BYTES);
const _: () = assert!(DELTA_BASE_BYTES >= DIFF_STOOD_PAGES * PAGE_BYTES);
const _: () = assert!(CLASSES * (1 + 32) + 64 <= FRAME_HEADER_BYTES);
const _: () = assert!(CLASS_NAME_BYTES + CLASS_POLICY_BYTES + 256 <= FRAME_HEADER_BYTES);
const _: () = assert!(EXCHANGE_IDS * 32 + 9 * EXCHANGE_BUCKETS + 64 <= FRAME_CONTROL_BYTES);
const _: () = assert!(EXCHANGE_BYTES + 5 * ANSWER_STATEMENTS + 64 <= FRAME_CONTROL_BYTES);
const _: () = assert!(REFUSAL_BYTES + 16 <= FRAME_SMALL_BYTES);
const _: () = assert!((ANSWER_HELD + 1) * 33 + 8 <= FRAME_HOLDING_BYTES);
const _: () = assert!(ANSWER_STATEMENTS_BYTES >= STATEMENT_BYTES + EXCHANGE_BYTES);
const _: () = assert!(HELLO_STATEMENTS * STATEMENT_BYTES <= FRAME_CONTROL_BYTES);
// A name and the longest addresses leave space for the proof of the sender's membership.
const _: () = assert!(ADDRESSES * (ADDRESS_BYTES + 3) + NAME_BYTES + 64 + 3 * 1024 <= HELLO_BYTES);
const _: () = assert!(32 + 32 + NAME_BYTES + 64 + 16 <= UNKNOWN_PEER_REQUEST_BYTES);
const _: () = assert!(PAGE_BYTES + 64 <= FRAME_CONTROL_BYTES && STATEMENT_BYTES + 64 <= FRAME_CONTROL_BYTES);
// The index of a commitment is a byte.
const _: () = assert!(PULL_HAVE <= 256 && CLASSES <= PULL_HAVE);
const _: () = assert!(FETCH_HAVE <= PULL_HAVE && FETCH_PAGES <= REQUEST_POSITIONS);
const _: () = assert!(RECENT_BYTES > 2 * (2 * GROUP_BYTES + APPEND_QUEUE_BYTES + APPEND_BYTES as u64));
// No position outside the expected ones is requested: one window is collected while all requests are in
// progress.
const _: () = assert!((FETCH_REQUESTS + 1) * (FETCH_WINDOW_CHUNKS + BATCH_IDS) <= EXPECTED_CHUNKS);
const _: () = assert!((FETCH_REQUESTS + 1) * FETCH_PAGES <= EXPECTED_PAGES);
// The inline chunks of a page are looked up in one batch.
const _: () = assert!(PAGE_ITEMS_MAX * INLINE_CHUNKS <= BATCH_IDS);
const _: () = assert!(1 << RECORD_WINDOW_LOG == CHUNK_BYTES && PAGE_BYTES <= CHUNK_BYTES);
// The data that a puller may lose in a crash: the open group, the group on its way to the disk, and all data
// that waits for them.
const _: () = assert!(2 * GROUP_BYTES + APPEND_QUEUE_BYTES <= 12 * 1024 * 1024);
// An entry of a record fits in a block.
const _: () = assert!(RECORD_BLOCK_BYTES >= 2 * (PATH_BYTES + 128));
