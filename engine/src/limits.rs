//! Every bound of formats, protocol and memory, by name, with the relations that must hold between them.

/// Bytes of a path component at most.
pub const PATH_COMPONENT_BYTES: usize = 255;
/// Bytes of a path at most.
pub const PATH_BYTES: usize = 4096;
/// Components of a path at most.
pub const PATH_DEPTH: usize = 64;

/// Bytes of the largest chunk any profile may cut.
pub const CHUNK_BYTES: usize = 256 * 1024;
/// Chunks an entry lists inline at most; more become a tree.
pub const INLINE_CHUNKS: usize = 4;
/// Extensions of an entry at most.
pub const EXTENSIONS: usize = 16;
/// Bytes of all of an entry's extensions together: the first path of a link group, all holes, and 1 KiB beside them.
pub const EXTENSION_BYTES: usize = 7 * 1024;
/// Holes of an entry at most; of more, the largest are kept.
pub const HOLES: usize = 128;
/// Holes of a file that a publish looks at, at most: it chooses the largest among these.
pub const HOLES_SEEN: usize = 1 << 16;
/// Link groups of which a publish knows that another name may come, at most, at about 200 bytes each. Files of further
/// groups are published as files of their own.
pub const LINK_GROUPS: usize = 1 << 17;

/// Items of a page: at least (but the last of its level, and where [`PAGE_BYTES`] comes first).
pub const PAGE_ITEMS_MIN: usize = 16;
/// Items of a page, on average.
pub const PAGE_ITEMS_AVG: usize = 64;
/// Items of a page at most.
pub const PAGE_ITEMS_MAX: usize = 256;
/// Encoded bytes of a page at most.
pub const PAGE_BYTES: usize = 64 * 1024;
/// Bytes of a large file that one thread cuts at a time. A publish holds some such parts in memory.
pub const INGEST_PART_BYTES: u64 = 16 * 1024 * 1024;
/// Chunks of a file's older version by which the new one is cut, at about 64 bytes each.
pub const GUIDE_CHUNKS: usize = 1 << 18;
/// Bytes of a list of excludes at most.
pub const EXCLUDE_BYTES: usize = 64 * 1024;
/// Patterns of such a list at most.
pub const EXCLUDE_PATTERNS: usize = 4096;
/// Levels of a tree at most: every level shrinks by two, in practice by fifty.
pub const TREE_LEVELS: u8 = 32;
/// Chunks of an old content that a comparison remembers at most, at about 30 bytes each.
pub const DIFF_CHUNKS: usize = 1 << 20;
/// Pages that a comparison reads at a time.
pub const DIFF_READ_PAGES: usize = 64;
/// New chunks that follow each other and that a comparison reports at once, at most.
pub const DIFF_RUN_CHUNKS: usize = 1024;
/// New chunks that a comparison gathers before it reports them, at most.
pub const DIFF_GATHERED: usize = 16 * DIFF_RUN_CHUNKS;
/// Runs of old chunks that a comparison reports as gone, at most.
pub const DIFF_SPARES: usize = 64;
/// Old pages in whose place a comparison says that a new one stands, at most.
pub const DIFF_STOOD_PAGES: usize = 16;
/// Pages or chunks that a walk over a class remembers having seen, at most.
pub const WALK_SEEN: usize = 1 << 14;
/// Classes of a library at most.
pub const CLASSES: usize = 64;
/// Bytes of a class's name at most.
pub const CLASS_NAME_BYTES: usize = 64;
/// Bytes of a class's rules at most.
pub const CLASS_POLICY_BYTES: usize = 4096;
/// Patterns of a class's rules at most.
pub const CLASS_PATTERNS: usize = 256;
/// Bytes of one of them at most.
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
/// A sequence may not jump further than this above the one known.
pub const SEQUENCE_JUMP: u64 = 1 << 20;
/// Statements of one kind that one key may have in a library, at most: a stolen key can do no more than fill this up.
pub const STATEMENTS_PER_KEY: usize = 1 << 16;
/// Bytes of the statements of one kind that one key may have in a library, at most; roots are not counted.
pub const STATEMENT_BYTES_PER_KEY: usize = 32 * 1024 * 1024;
/// The same of a key that the newest root does not name any more, of the kinds of which all are taken: they count for nothing but
/// the sequences that others went above.
pub const REMOVED_BYTES_PER_KEY: usize = 4 * 1024 * 1024;
/// Bytes of a policy's body at most.
pub const POLICY_BYTES: usize = 48 * 1024;
/// Fields of a policy, and of one of its rows, at most.
pub const POLICY_FIELDS: usize = 256;
/// Excludes of a policy at most.
pub const POLICY_EXCLUDES: usize = 256;
/// Policies that one key may sign for a library, at most: all are kept, and each is large.
pub const POLICIES_PER_KEY: usize = 1024;
/// Regions that a policy names for a class, at most.
pub const POLICY_REGIONS: usize = 64;
/// Keys that one node may have had in a library since an operator bound one, at most: each could sign for the next without end.
pub const SUCCESSIONS: usize = 256;
/// Nodes beyond its uses that are remembered of a ticket, at most: one proves that it was copied.
pub const TICKET_OVERUSE: usize = 64;
/// Statements that are remembered of one node's joining with one ticket: several redeemers may have answered it.
pub const CLAIMS: usize = 4;
/// How many statements on one subject are displaced by others that say the same, at most: successions of one key, and claims of
/// one node on one ticket. A thief of the keys can sign as many as it likes, and can choose their order.
pub const DISPLACED: usize = 16;
/// Checkpoints that are remembered of one key of a node: the newest.
pub const CHECKPOINTS: usize = 32;
/// Statements that a node takes at once from one key on one subject, of what is said again and again: all that is remembered of
/// it may come in one exchange.
pub const PASSING_BURST: u32 = 32;
/// After how many ms it takes one more: of what timekeepers say, and of checkpoints.
pub const PASSING_PERIODS_MS: [i64; 2] = [10_000, 60_000];
/// The same of one key on all subjects together: many channels may be vouched for.
pub const SIGNER_BURST: u32 = 256;
/// After how many ms a node takes one more from a key, whatever it is about: of what timekeepers say, and of checkpoints.
pub const SIGNER_PERIODS_MS: [i64; 2] = [2_500, 60_000];
/// Signers and subjects of which a node remembers how much they have left, for a library.
pub const RATED_SUBJECTS: usize = 4096;
/// Bytes of the reason of a revocation at most.
pub const REASON_BYTES: usize = 256;
/// How long an old node key may stay good after its succession, in ms, at most: thirty days.
pub const GRACE_MS: u64 = 30 * 24 * 3600 * 1000;
/// Statements that a root names though their signers are gone, at most.
pub const PINS: usize = 1024;
/// Lists of further pins that a root names, at most.
pub const PIN_LISTS: usize = 64;
/// Statements in one of them at most.
pub const PIN_LIST_IDS: usize = 1400;
/// Role entries of a root at most.
pub const ROLES: usize = 64;
/// Keys of a role at most: as many as a statement may carry signatures.
pub const ROLE_KEYS: usize = SIGNATURES;
/// Roots in a file of roots at most: more than a library changes its keys in its life.
pub const DRAFT_ROOTS: usize = 1024;
/// Bytes of a file of roots at most.
pub const DRAFT_BYTES: usize = 16 * 1024 * 1024;
/// Statements in a request file at most: the roots, and what shows a signer what the act replaces.
pub const REQUEST_STATEMENTS: usize = DRAFT_ROOTS + 128;
/// Bytes of a request file at most.
pub const REQUEST_BYTES: usize = DRAFT_BYTES;
/// How long a request may gather signatures, in ms: what it was made from grows old.
pub const REQUEST_MS: i64 = 14 * 24 * 3600 * 1000;
/// Statements in a bundle at most.
pub const BUNDLE_STATEMENTS: usize = 1 << 18;
/// Bytes of a bundle at most.
pub const BUNDLE_BYTES: usize = 64 * 1024 * 1024;
/// Nodes that may redeem one ticket at most.
pub const TICKET_REDEEMERS: usize = 32;
/// Members one ticket may make at most.
pub const TICKET_USES: u32 = 4096;
/// Addresses in a ticket or a hello at most.
pub const ADDRESSES: usize = 16;
/// Bytes of an address at most.
pub const ADDRESS_BYTES: usize = 256;
/// Bytes of a ticket's text at most.
pub const TICKET_BYTES: usize = 9216;

/// Bytes of an audit record at most.
pub const AUDIT_RECORD_BYTES: usize = 2048;
/// Bytes of what an audit record is about, at most.
pub const AUDIT_SUBJECT_BYTES: usize = 1024;
/// Bytes of why an audit record's verb was refused or failed, at most.
pub const AUDIT_REASON_BYTES: usize = 512;
/// Records of an audit log beyond which none goes on from a checkpoint: so many are never written, and whoever has stolen a
/// node's key could leave the log no numbers.
pub const AUDIT_JUMP_COUNT: u64 = 1 << 48;
/// Bytes that an audit log may hold unsynced: what a crash can tear, and so the most that is ever taken for torn.
pub const AUDIT_TORN_BYTES: usize = 64 * 1024;

/// Bytes of a batch of the ledger at most, with its frame.
pub const LEDGER_FRAME_BYTES: usize = 64 * 1024 * 1024;
/// Bytes of records in a frame that a compaction writes, about: what one damaged sector can cost.
pub const LEDGER_PACKED_BYTES: usize = 4 * 1024;
/// Bytes of a ledger file below which it is never compacted.
pub const LEDGER_COMPACT_BYTES: u64 = 1024 * 1024;
/// Bytes for which room is allocated in a ledger file at a time.
pub const LEDGER_ROOM_BYTES: u64 = 64 * 1024;
/// Bytes of the text that says where a lost record lay, at most.
pub const LEDGER_PLACE_BYTES: usize = 512;

/// Bytes of a sealed segment file at most.
pub const SEGMENT_BYTES: u64 = 64 * 1024 * 1024;
/// Records of a segment at most. Whoever reads its footer or indexes it again holds them all, at some hundred bytes each:
/// without a bound, a library of tiny files would take more memory than a process may.
pub const SEGMENT_RECORDS: usize = 128 * 1024;
/// Segments that a store keeps open to append to, at most: one of each library that was written to last.
pub const OPEN_SEGMENTS: usize = 16;
/// Base-2 logarithm of the window that a packed record may ask for at most: that of the largest chunk.
pub const RECORD_WINDOW_LOG: u32 = 18;
/// Bytes of payload of a record of a reserved kind at most: so much is stepped over.
pub const RESERVED_RECORD_BYTES: usize = 1024 * 1024;
/// Alignment of group commits in a segment.
pub const SEGMENT_BLOCK: usize = 4096;
/// Bytes appended before the store commits a group by itself. One more may be on its way to the disk meanwhile.
pub const GROUP_BYTES: u64 = 4 * 1024 * 1024;
/// Bytes handed to the store and not yet written, at most.
pub const APPEND_QUEUE_BYTES: u64 = 4 * 1024 * 1024;
/// Ids in one has-check or read, at most.
pub const BATCH_IDS: usize = 1024;

/// Bytes of a hello at most: it is heard of anybody, before anything is known of the sender.
pub const HELLO_BYTES: usize = 8 * 1024;
/// Bytes of a request of a node that is a member of nothing here, at most: a [`Join`](crate::sync::message::Join) has less, and
/// every other request of a stranger is denied.
pub const STRANGER_REQUEST_BYTES: usize = 512;
/// Bytes of a control frame (request, inventory) at most.
pub const FRAME_CONTROL_BYTES: usize = 1024 * 1024;
/// Bytes of a chunk frame at most: the chunk, and room for its header.
pub const FRAME_CHUNK_BYTES: usize = CHUNK_BYTES + 64;
/// Bytes that one delta frame makes at most.
pub const DELTA_RAW_BYTES: usize = 1024 * 1024;
/// Bytes that one delta frame is made from at most.
pub const DELTA_BASE_BYTES: usize = 2 * 1024 * 1024;
/// Chunks that one delta frame is made from at most.
pub const DELTA_BASE_CHUNKS: usize = DELTA_RUNS * BATCH_IDS;
/// Chunks or pages in one delta frame at most.
pub const DELTA_ITEMS: usize = 256;
/// Runs of chunks or pages that one delta frame is made from at most.
pub const DELTA_RUNS: usize = 16;
/// Bytes of a delta frame at most: never more than what it makes, and its fields.
pub const FRAME_DELTA_BYTES: usize = DELTA_RAW_BYTES + 5 * DELTA_ITEMS + 32 * DELTA_RUNS + 64;
/// Commitments in the `have` of a pull at most: two versions of as many classes as a library may have.
pub const PULL_HAVE: usize = 2 * CLASSES;
/// Positions or ranges in one request at most.
pub const REQUEST_POSITIONS: usize = 4096;
/// Statements a pull says it knows, at most.
pub const PULL_KNOWN: usize = 16;
/// Statements in a hello at most; [`HELLO_BYTES`] bounds them all.
pub const HELLO_STATEMENTS: usize = 16;
/// Bytes of the frames that only carry a few fixed fields (end, error).
pub const FRAME_SMALL_BYTES: usize = 1024;
/// A frame with a payload of at most so many bytes is put together in memory of its own: kept for long, it keeps nothing else.
pub const FRAME_OWN_BYTES: usize = 4 * 1024;
/// Buffers that frames of one stream are put together in and that are used again: those on their way to the disk.
pub const FRAME_SLABS: usize = 10;
/// Bytes of a class table's or class header's frame at most.
pub const FRAME_HEADER_BYTES: usize = 8 * 1024;
/// Bytes of a frame that says which releases are held, at most.
pub const FRAME_HOLDING_BYTES: usize = 4 * 1024;
/// Bytes of the text of a refusal at most.
pub const REFUSAL_BYTES: usize = 512;
/// Bytes of chunks that an answer reads at a time.
pub const ANSWER_BATCH_BYTES: usize = 1024 * 1024;
/// Chunks and pages of which an answer remembers that it sent them: sixteen bytes each, for every answer in the making.
pub const ANSWER_SENT: u64 = 128 * 1024;
/// Removed files among which an answer looks for what a new one came from.
pub const ANSWER_REMOVED: usize = 16 * 1024;
/// Of those, how many it compares a new one with.
pub const ANSWER_BASES: usize = 4;
/// Paths that an answer looks up in the versions before the base.
pub const ANSWER_LOOKUPS: usize = 16 * 1024;
/// Bytes of an answer that are made from what the peer has whatever the speed of the link: nobody waits for so few.
pub const ANSWER_FREE_BYTES: u64 = 32 * 1024 * 1024;
/// Chunks of the base among which an answer looks for what new paths came from, at most.
pub const ANSWER_SAMPLED: u64 = 256 * 1024;
/// Of those, one in so many is remembered.
pub const ANSWER_SAMPLE: u8 = 8;
/// Walks in a row in which a fetch finds damage in its own store and nothing to ask for, before it gives up.
pub const BARREN_PASSES: u32 = 4;
/// Requests that a fetch has under way at most.
pub const FETCH_REQUESTS: usize = 2;
/// Versions of a class that a fetch says it has: more would cost bytes in every pull, and an older base serves little.
pub const FETCH_HAVE: usize = 4;
/// Releases among which a fetch looks for those, newest first.
pub const FETCH_RELEASES: usize = 16;
/// Pages in one request of a fetch.
pub const FETCH_PAGES: usize = 1024;
/// Bytes of chunks in one request of a fetch, about.
pub const FETCH_WINDOW_BYTES: u64 = 64 * 1024 * 1024;
/// Chunks in one request of a fetch, about.
pub const FETCH_WINDOW_CHUNKS: usize = 32 * 1024;
/// Bytes that a fetch gathers before it hands them to the store.
pub const APPEND_BYTES: usize = 1024 * 1024;
/// Bytes of received objects that a fetch remembers as held: more than a store keeps invisible.
pub const RECENT_BYTES: u64 = 64 * 1024 * 1024;
/// What each of them counts beside its bytes: about what it takes to remember it, so that tiny objects are few, too.
pub const RECENT_OBJECT_BYTES: u64 = 128;
/// Pages that a fetch expects at a time.
pub const EXPECTED_PAGES: usize = 64 * 1024;
/// Chunks that a fetch expects at a time.
pub const EXPECTED_CHUNKS: usize = 256 * 1024;
/// Parts in which two nodes compare what statements they know: as many as a byte tells apart.
pub const EXCHANGE_BUCKETS: usize = 256;
/// Names in one message of an exchange at most.
pub const EXCHANGE_IDS: usize = 16 * 1024;
/// Bytes of statements in one message of an exchange at most.
pub const EXCHANGE_BYTES: usize = 768 * 1024;
/// Messages in one exchange at most: what is left comes with the next.
pub const EXCHANGE_ROUNDS: u32 = 64;
/// Peers that one answer names, at most.
pub const ANSWER_PEERS: usize = 64;
/// Statements in one answer at most.
pub const ANSWER_STATEMENTS: usize = 4096;
/// Bytes of the statements in one answer at most; whoever asked keeps them until all have come.
pub const ANSWER_STATEMENTS_BYTES: usize = 2 * 1024 * 1024;
/// Releases that an answer says are held, at most.
pub const ANSWER_HELD: usize = 64;
/// Releases, newest first, among which an answer looks for those.
pub const ANSWER_RELEASES: usize = 1024;
/// Bytes that come for nothing and are taken from a source beside as many as are of use: more is no honest mistake.
pub const FETCH_WASTE_BYTES: u64 = 64 * 1024 * 1024;
/// Bytes that a frame which came for nothing counts for at least: what it costs to look at one.
pub const WASTE_FRAME_BYTES: usize = 1024;
/// Files that may leave a library in one publish whatever share of it they are, if they are small and others stay.
pub const FEW_FILES: u64 = 4;
/// Bytes of such files, all of them.
pub const FEW_BYTES: u64 = 1024 * 1024;
/// Times that a fetch asks a source anew whose statements named another release than was asked for.
pub const FETCH_TURNS: u32 = 2;

/// Names of a folder of a restore's destination that are listed at a time, at most.
pub const LISTED_NAMES: usize = 64 * 1024;
/// Bytes of a block of the record of a restored folder, at most.
pub const RECORD_BLOCK_BYTES: usize = 64 * 1024;
/// Paths that a restore remembers out of order, at most; what is beyond is compared by the next restore.
pub const RESTORE_LATE_PATHS: usize = 64 * 1024;
/// Link groups whose first path a restore does not write, at most; files of further ones are written by themselves.
pub const RESTORE_LINK_GROUPS: usize = 16 * 1024;
/// Files with several names of which a restore remembers what it changed itself, at most; what is beyond may
/// have to wait for the next restore.
pub const RESTORE_CHANGED_FILES: usize = 16 * 1024;
/// Files with names that a restore has not met yet, of which it remembers that one name stays, at most; names
/// of further ones may stay one file though the release has them apart.
pub const RESTORE_SHARED_FILES: usize = 256 * 1024;
/// Failures that a restore lists, at most; all are counted.
pub const RESTORE_FAILURES: usize = 1000;
/// Paths of which a restore remembers that they failed, at most; after so many it links no more files to others.
pub const RESTORE_FAILED_PATHS: usize = 64 * 1024;
/// Folders in each other that a restore removes as one, at most.
pub const RESTORE_REMOVED_DEPTH: usize = 256;

const _: () =
    assert!(PAGE_ITEMS_MIN >= 2 && PAGE_ITEMS_MIN < PAGE_ITEMS_AVG && PAGE_ITEMS_AVG < PAGE_ITEMS_MAX);
// Two of the largest entries fit a page, so every level shrinks.
const _: () = assert!(2 * (2 * PATH_BYTES + EXTENSION_BYTES + 1024) <= PAGE_BYTES);
const _: () = assert!(PATH_BYTES + 16 * HOLES + 1024 <= EXTENSION_BYTES);
// A policy fits its statement with all signatures.
const _: () = assert!(POLICY_BYTES + 61 + SIGNATURES * 96 <= STATEMENT_BYTES && POLICY_REGIONS <= 255);
const _: () = assert!(PASSING_BURST as usize >= CHECKPOINTS);
// Counts of a statement's body are one byte, but for pins and excludes of a policy.
// Of one key no more can be known than the lists of a root hold.
const _: () = assert!(PIN_LISTS * PIN_LIST_IDS >= STATEMENTS_PER_KEY && PIN_LISTS <= 255);
const _: () = assert!(32 * (PIN_LIST_IDS + 2) + 256 <= STATEMENT_BYTES && PIN_LIST_IDS <= u16::MAX as usize);
const _: () = assert!(ROLES <= 255 && ROLE_KEYS <= 255 && SIGNATURES <= 255 && TICKET_REDEEMERS <= 255);
const _: () = assert!(CLASSES <= 255 && RELEASE_PARENTS <= 255 && ADDRESSES <= 255 && NAME_BYTES <= 255);
// A full answer of an exchange, or all the statements that a peer may hand over at once, fits one batch.
const _: () = assert!(LEDGER_FRAME_BYTES >= 32 * FRAME_CONTROL_BYTES);
const _: () = assert!(LEDGER_PLACE_BYTES + 8 <= STATEMENT_BYTES);
const _: () = assert!(AUDIT_SUBJECT_BYTES + AUDIT_REASON_BYTES + 256 <= AUDIT_RECORD_BYTES);
const _: () = assert!(AUDIT_RECORD_BYTES <= u16::MAX as usize && 4 * AUDIT_RECORD_BYTES <= AUDIT_TORN_BYTES);
// A full ticket fits its text: base32 takes eight letters for five bytes.
const _: () = assert!(
    (ADDRESSES * (2 + ADDRESS_BYTES) + 32 * TICKET_REDEEMERS + NAME_BYTES + 256) * 8 / 5 + 8 <= TICKET_BYTES
);
// One chunk or page always fits a delta, with both its neighbours as a base.
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
// A name and the longest addresses leave room for what shows the sender's membership.
const _: () = assert!(ADDRESSES * (ADDRESS_BYTES + 3) + NAME_BYTES + 64 + 3 * 1024 <= HELLO_BYTES);
const _: () = assert!(32 + 32 + NAME_BYTES + 64 + 16 <= STRANGER_REQUEST_BYTES);
const _: () = assert!(PAGE_BYTES + 64 <= FRAME_CONTROL_BYTES && STATEMENT_BYTES + 64 <= FRAME_CONTROL_BYTES);
// The index of one is a byte.
const _: () = assert!(PULL_HAVE <= 256 && CLASSES <= PULL_HAVE);
const _: () = assert!(FETCH_HAVE <= PULL_HAVE && FETCH_PAGES <= REQUEST_POSITIONS);
const _: () = assert!(RECENT_BYTES > 2 * (2 * GROUP_BYTES + APPEND_QUEUE_BYTES + APPEND_BYTES as u64));
// By position nothing is wanted that is not expected: one window is gathered while all requests are under way.
const _: () = assert!((FETCH_REQUESTS + 1) * (FETCH_WINDOW_CHUNKS + BATCH_IDS) <= EXPECTED_CHUNKS);
const _: () = assert!((FETCH_REQUESTS + 1) * FETCH_PAGES <= EXPECTED_PAGES);
// A page of inline chunks is looked up in one batch.
const _: () = assert!(PAGE_ITEMS_MAX * INLINE_CHUNKS <= BATCH_IDS);
const _: () = assert!(1 << RECORD_WINDOW_LOG == CHUNK_BYTES && PAGE_BYTES <= CHUNK_BYTES);
// What a crash may cost a puller: the open group, the one on its way to the disk, and all that waits for them.
const _: () = assert!(2 * GROUP_BYTES + APPEND_QUEUE_BYTES <= 12 * 1024 * 1024);
// An entry of a record fits a block.
const _: () = assert!(RECORD_BLOCK_BYTES >= 2 * (PATH_BYTES + 128));
