### The sentences of the crate `chuan-engine`, without statements, as they are in the code, with names for the variables.


## engine/src/error.rs

corrupt-data = corrupt data: { $text }
peer = peer: { $text }
not-permitted = not permitted: { $text }
an-operator-revoked-the-membership-of = an operator revoked the membership of this node; only a new grant by an operator ends that, no ticket
the-store-refuses-writes-since-an = the store refuses writes since an earlier one failed ({ $text }); fix the cause and reopen it
no-space-left = no space left: { $text }

## engine/src/id.rs

is-not-an-id-of-64 = `{ $text }` is not an id of 64 hexadecimal digits

## engine/src/verify.rs

class-is-not-in-the-slot = class { $header } is not in the slot that its table states

## engine/src/audit/chain.rs

a-record-is-cut-short-and = a record is cut short, and the log continues after it
the-log-continues-from-record-not = the log continues from record { $to }, not after this one
the-log-ends-here-but-a = the log ends here, but a checkpoint includes { $count } records
bytes-before-the-end = { $why }, { $torn } bytes before the end
found-record-in-place-of-record = found record { $index } in place of record { $at }
it-does-not-name-the-record = it does not name the record before
a-checkpoint-of-records-names-another = a checkpoint of { $point } records names another last record

## engine/src/audit/jump.rs

statement-is-no-checkpoint = statement { $checkpoint } is no checkpoint
a-log-of-records-cannot-go = a log of { $after } records cannot go on from a checkpoint of { $said }
a-checkpoint-of-this-node-counts = a checkpoint of this node counts { $to } records, and the log had { $count }: this home was restored from a backup, or is a clone, or its log was moved away; goes on from { $encode } after { $count } { $head }

## engine/src/ingest/assemble.rs

is-in-no-class-that-has = { $path } is in no class that has a tree
chunks-of-bytes-for-a-file = chunks of { $bytes } bytes for a file of { $size } bytes

## engine/src/ingest/cache.rs

a-block-s-checksum-is-wrong = a block's checksum is wrong
installing-the-scan-cache = installing the scan cache { $path }

## engine/src/ingest/collide.rs

some-systems-treat-its-name-as = some systems treat its name as equal to `{ $kept }`; rename one of the two

## engine/src/ingest/delete.rs

is-neither-a-share-like-50 = `{ $text }` is neither a share, like 50%, nor a number of files, like 100
of-published-files-are-no-longer = { $files } of { $files2 } published files are no longer in the source, or excluded now ({ $bytes } of { $before } bytes), and at most { $limit } may go in one publish: is the disk mounted, and is it the right folder? If they are to leave the library, publish with a larger limit in the option `max-delete`, up to 100%
files-at-new-paths = { $refusal }. Files at new paths: { $n_new }, with { $n_size } bytes; if a folder was renamed, they are its content

## engine/src/ingest/exclude.rs

the-library-s-policy = the library's policy
the-option-exclude = the option `exclude`
malformed-pattern-in = malformed pattern `{ $line }` in { $name }: { $error }
has-more-than-patterns = { $name } has more than { $exclude_patterns } patterns
the-patterns-of = the patterns of { $name }: { $error }
reading = reading { $name }
is-longer-than-bytes = { $name } is longer than { $exclude_bytes } bytes
is-not-utf-8-text-save = { $name } is not UTF-8 text: save it as UTF-8
excluded-by = excluded by `{ $pattern }` ({ $w_list })

## engine/src/ingest/item.rs

a-symbolic-link-whose-target-is = a symbolic link whose target is not UTF-8
a-symbolic-link-that-leads-out = a symbolic link that leads out, to { $target }
published-content-was-replaced-by-a = published content was replaced by a symbolic link that leads out, to { $target }; the option `exclude` lets it leave the library
published-content-was-replaced-by-a-2 = published content was replaced by a { $w_special }; the option `exclude` lets it leave the library
its-content-cannot-be-listed = its content cannot be listed: { $error }
it-was-deleted-meanwhile = it was deleted meanwhile
special-file = special file

## engine/src/ingest/mod.rs

is-not-published = { $path } is not published: { $why }
opening-the-source = opening the source { $path }
the-name-of-is-not-utf = the name of { $path } is not UTF-8: rename it, then publish again
the-classes-sums-overflow = the classes' sums overflow

## engine/src/ingest/plan.rs

and-which-is-published-collide-rename = { $new } and { $old }, which is published, collide; rename one, then publish again

## engine/src/ingest/room.rs

publishing-needs-about-bytes-and-the = publishing { $ingest } needs about { $needed } bytes, and the store can take { $usable }; no content was written. Free some space there or move the home to a larger disk; if the store has most of this content under other paths, publish with the option `force`

## engine/src/ingest/run.rs

it-changes-while-it-is-read = it changes while it is read

## engine/src/ingest/secret.rs

it-holds-a-secret-key-of = it holds a secret key of chuan
it-is-a-ticket-of-chuan = it has a ticket of chuan, which holds a secret
it-is-a-backup-of-a = it is a backup of a chuan home, with its secret keys
it-is-a-home-of-chuan = it is a home of chuan, with its secret keys
its-name-or-target-holds-a = its name or target holds a secret of chuan
is-or-lies-inside-the-chuan = { $source } is, or lies inside, the chuan home { $folder }: a home is never published, since it holds secret keys; publish another folder

## engine/src/ingest/walk.rs

listing-the-source-folder = listing the source folder
nothing-in-its-folder-is-published = { $error }; nothing in its folder is published: correct the list
its-name-is-not-utf-8 = its name is not UTF-8 (bytes { $hex }); rename it, for example with convmv
an-unfinished-file-of-a-restore = an unfinished file of a restore
rename-it = { $error }; rename it
rename-it-then-publish-again = { $error }: rename it, then publish again
is-an-unfinished-file-of-a = { $name } is an unfinished file of a restore: publish the folder that was restored
is-a-publish-a-folder-or = { $name } is a { $w_special }: publish a folder or a regular file
symbolic-link = symbolic link
it-was-replaced-while-it-was = it was replaced while it was read

## engine/src/ledger/lost.rs

no-copy-has-it = no copy has it

## engine/src/ledger/plan.rs

has-format-version-which-this-chuan = { $side } has format version { $version }, which this chuan does not read
is-the-ledger-of-another-node = { $side } is the ledger of another node, { $node }
ledger-a-and-ledger-b-belong = ledger/a and ledger/b belong to two different ledgers
ledger-a-and-ledger-b-both = ledger/a and ledger/b both have a valid record { $number }, and they differ
the-file-is-missing-or-is = the file is missing, or is a second name of the other file
the-header-is-damaged = the header is damaged
nothing-in-it-can-be-read = nothing in it can be read
the-last-batch-is-torn-it = the last batch is torn; it was never acknowledged and is cut off
the-last-batch-is-missing-or = the last batch is missing or cut short; it is completed from ledger/a
the-compaction-that-wrote-it-is = the compaction that wrote it is not complete
it-is-older-than-the-last = it is older than the last compaction; it is rewritten from the other copy
its-closing-record-is-missing = its closing record is missing
records-to-are-missing-an-older = records { $first } to { $last } are missing: an older copy was put in its place

## engine/src/manifest/classifier.rs

class = class `{ $class }`: { $error }
the-classes-path-patterns = the classes' path patterns: { $error }
is-in-class-which-this-publisher = { $path } is in class `{ $class }`, which this publisher may not publish; leave it out of the folder
is-in-no-class-that-this = { $path } is in no class that this publisher may publish; leave it out of the folder, or give a class a pattern that matches it
is-in-two-classes-in-and = { $path } is in two classes: in { $one } and in { $other }; change the patterns so that only one matches
a-library-has-at-most-classes = a library has at most { $classes } classes, including removed ones
invalid-class-name-use-1-to = invalid class name `{ $name }`: use 1 to 64 bytes of visible text without any of *?[]{"{"}{"}"},/
class-has-slot-which-is-out = class `{ $name }` has slot { $slot }, which is out of range
class-or-its-slot-is-there = class `{ $name }` or its slot is there twice
class-has-the-paths-that-are = class `{ $name }` has the paths that are in no other class: give it no patterns

## engine/src/manifest/path.rs

link-its-target = link { $path }: its target { $target } { $rule }
is-absolute = is absolute
leads-out-of-the-library = leads out of the library
is-empty = is empty
is-longer-than-4-096-bytes = is longer than 4,096 bytes
has-a-control-character = has a control character
goes-up-again-after-it-went = goes up again after it went down
path = path { $shortened } { $rule }
has-an-empty-component = has an empty component
has-a-or-component = has a `.` or `..` component
has-a-component-longer-than-255 = has a component longer than 255 bytes
has-more-than-64-components = has more than 64 components

## engine/src/manifest/pattern.rs

malformed-path-pattern = malformed path pattern: { $error }

## engine/src/manifest/policy.rs

class-rules = class rules
are-of-chuan-0-1-0 = are of chuan 0.1.0, which this version does not read
are-of-version-a-newer-chuan = are of version { $version }: a newer chuan wrote them
malformed-class-rules-they-must-be = malformed class rules: they must be empty or have a pattern or path
a-class-has-at-most-patterns = a class has at most { $class_patterns } patterns
the-patterns-of-a-class-must = the patterns of a class must ascend, each once
pattern-must-have-1-to-bytes = pattern `{ $pattern }` must have 1 to { $class_pattern_bytes } bytes without control characters
a-class-has-at-most-fallback = a class has at most { $class_fallbacks } fallback paths
the-fallback-path-is-there-twice = the fallback path `{ $path }` is there twice
a-class-s-rules-take-at = a class's rules take at most { $class_policy_bytes } bytes, these { $bytes }: use fewer or shorter patterns
have-a-text-that-is-not = have a text that is not UTF-8

## engine/src/manifest/trespass.rs

a-path-belongs-to-another-class = a path belongs to another class

## engine/src/restore/action.rs

move-it-away-or-restore-with = move it away, or restore with the option `delete`
a-file-or-link-that-this = a file or link that this restore did not write is in the way of a folder: { $remedy }
a-folder-that-this-restore-did = a folder that this restore did not make is in the way: { $remedy }
things = { $foreign } things
a-folder-with-that-this-restore = a folder with { $things } that this restore did not write is in the way: { $remedy }
it-is-the-home-of-a = it is the home of a node, or a part of one: nothing in it is touched
the-release-has-a-file-or = the release has a file or link where a folder must be
it-cannot-be-examined-or-listed = it cannot be examined or listed: { $error }
needs-a-newer-version-of-chuan = { $path } needs a newer version of chuan (extension { $tag }); update, then restore again

## engine/src/restore/destination.rs

opening-the-destination = opening the destination { $dest }
looking-at = looking at
making-the-link = making the link
with-the-option-no-hard-links = with the option `no-hard-links` it is written as a file of its own
linking-to-in-the-destination = linking { $path } to { $first } in the destination ({ $remedy })
in-the-destination-changed-while-was = { $first } in the destination changed while { $path } was linked to it
putting-in-its-place = putting in its place
making-the-folder = making the folder
opening-the-folder = opening the folder
in-the-destination-changed-while-the = { $shown } in the destination changed while the restore ran; it is left as it is
removing-the-folder = removing the folder
in-the-destination = { $doing } { $shown } in the destination

## engine/src/restore/disk.rs

listing-the-destination = listing the destination { $dest }
listing-the-destination-7 = listing the destination

## engine/src/restore/failures.rs

n-1-path-under-it-is-not = {" "}(1 path under it is not restored)
paths-under-it-are-not-restored = {" "}({ $beneath } paths under it are not restored)

## engine/src/restore/levels.rs

opening-the-folder-of-in-the = opening the folder of { $shown } in the destination
path-leads-out-of-the-destination = path { $shown } leads out of the destination; it is not written
is-or-lies-in-the-home = { $shown } is, or lies in, the home of a node or a part of one: nothing in it is touched
in-the-destination-is-in-the = { $shown } in the destination is in the way (a file or link where a folder must be, or the other way round): move it away, then restore again

## engine/src/restore/mod.rs

making-the-destination = making the destination { $dest }
syncing-the-destination = syncing the destination { $dest }
resolving-the-destination = resolving the destination { $dest }
the-destination-is-or-lies-in = the destination { $dest } is, or lies in, the home of a node or a part of one, { $home }: nothing is restored into a home; choose another folder
locking-the-destination = locking the destination { $dest }
another-restore-is-writing-to-wait = another restore is writing to { $dest }; wait for it, or choose another destination
restoring-needs-bytes-and-has-free = restoring needs { $needed } bytes and { $restore } has { $free } free; make room, restore elsewhere, or restore less with the option `path`

## engine/src/restore/old.rs

opening-a-clone-once-more = opening a clone once more

## engine/src/restore/range.rs

writing-the-output = writing the output
the-manifest-says-that-chunk-has = { $file }the manifest says that chunk { $chunk } has { $chunk2 } bytes; it has { $bytes }

## engine/src/restore/record.rs

the-destination-s-path-has-bytes = the destination's path has { $folder } bytes; at most { $folder_bytes } are taken
writing-the-record-of-restored-files = writing the record of restored files { $record }

## engine/src/restore/remove.rs

is-not-removed = { $shown } is not removed: { $error }
removing-from-the-destination = removing { $shown } from the destination
it-is-too-deep = it is too deep
a-file-system-is-mounted-there = a file system is mounted there
it-is-the-home-of-a-node = it is the home of a node, or a part of one

## engine/src/restore/select.rs

nothing-in-the-release-is-called = nothing in the release is called `{ $filter }` or matches it; `chuan ls` lists its paths

## engine/src/restore/temp.rs

the-release-or-the-destination-has = the release or the destination has paths called { $prefix }0{ $suffix } and so on: all names that a restore gives to unfinished files
making-the-folder-for-unfinished-files = making the folder for unfinished files in the destination
no-folder-for-unfinished-files-in = no folder for unfinished files in the destination
a-file-system-was-mounted-at = a file system was mounted at { $levels } meanwhile
another-program-created-there-meanwhile-restore = another program created { $name } there meanwhile; restore again

## engine/src/restore/write.rs

has-bytes-of-chunks-but-a = { $path } has { $taken } bytes of chunks but a size of { $size }
setting-extended-attributes-of-in-the = setting extended attributes of { $target } in the destination
in-the-destination-vanished-while-the = { $target } in the destination vanished while the restore ran
is-a-hard-link-to-which = { $target } is a hard link to { $first }, which could not be restored or changed meanwhile
in-the-destination-vanished-while-it = { $target } in the destination vanished while it was made
writing-in-the-destination = writing { $target } in the destination
setting-mode-and-time-of-in = setting mode and time of { $target } in the destination

## engine/src/sync/fetch.rs

a-fetch-into-the-objects-of = a fetch into the objects of another library
an-answer-continues-after-its-end = an answer continues after its end
the-source-sent-bytes-of-no = the source sent { $wasted } bytes of no use, which cost more than all useful bytes
an-answer-ended-without-its-end = an answer ended without its end
a-frame-of-kind-is-out = a frame of kind `{ $frame }` is out of place

## engine/src/sync/message.rs

bytes-of-a-hello = bytes of a hello
bytes-of-a-name = bytes of a name
bytes-of-a-channel-s-name = bytes of a channel's name
bytes-of-a-class-s-name = bytes of a class's name
known-statements = known statements
ranges-of-a-request-must-ascend = ranges of a request must ascend, apart and not empty
bytes-of-a-refusal = bytes of a refusal
the-peer-says = {" "}(the peer says: { $text })
the-peer-does-not-know-this = the peer does not know this node as a member; get a ticket and run `chuan join`{ $text }
the-peer-does-not-have-the = the peer does not have the requested data; try another source{ $text }
the-peer-refused-the-request-as = the peer refused the request as malformed{ $text }
the-peer-is-busy-try-again = the peer is busy; try again later{ $text }
the-peer-failed-look-at-its = the peer failed; look at its log{ $text }
the-peer-uses-another-version-of = the peer uses another version of the protocol{ $text }
a-message-has-more-than = a message has { $count } { $what }, more than { $limit }
a-request-names-no = a request names no { $what }

## engine/src/sync/fetch/claim.rs

more-than-statements-of-bytes-in = more than { $answer_statements } statements of { $answer_statements_bytes } bytes in an answer
a-statement-of-another-library-in = a statement of another library in an answer
its-root-is-not-accepted = its root is not accepted: { $reason }
its-is-ineffective = its { $statement } is ineffective: { $reason }
its-is-not-authorized = its { $statement } is not authorized: { $reason }
channel = channel `{ $name }`
release = release { $release }
no-statement-was-rejected = no statement was rejected
the-source-s-statements-do-not = the source's statements do not prove { $what } of the library: { $why }

## engine/src/sync/fetch/completing.rs

the-release-has-no-class-or = the release has no class `{ $name }`, or the source withholds it
the-source-does-not-hold-class = the source does not hold class { $class }, or withholds it, or the release has no such class; pull from another source, and if none has it, ask an operator what `chuan members` shows as granted
no-class-of-the-release-is = no class of the release is granted to this node
no-class-of-the-release-is-granted = no class of the release is granted to this node: its grant names `{ $named }`, and the release has no such class; an operator changes that with `chuan grant`
the-source-lacks-pages-or-chunks = the source lacks { $undelivered } pages or chunks of class `{ $header }`; pull from another source too

## engine/src/sync/fetch/opening.rs

class-header-is-not-in-the = class header { $commitment } is not in the table
the-release-lists-the-class-in = the release lists the class in slot { $slot } as `{ $listed }`, but its header names it `{ $header }`: its publisher made an invalid release; an operator can move the channel to another release
an-unexpected-holding-frame = an unexpected Holding frame
the-source-s-class-table-is = the source's class table is not the one that the release names
the-source-sent-no-class-table = the source sent no class table of the release

has-zero-bytes-as-text-in-utf = { $v1 } has zero bytes, as text in UTF-16 has: save it as UTF-8
is-a-not-a-file-with-patterns = { $v1 } is a { $v2 }, not a file with patterns; correct or remove it
it-is-a-record-of-chuan-about = it is a record of chuan about this machine and its keys
link-that-leads-to-no-file-of = link that leads to no file of the published folder ({ $v1 })
link-to-something-else-than-a-file = link to something else than a file
opening = opening { $v1 }
pattern-matches-no-path-of-a-release = pattern `{ $v1 }` matches no path of a release: write it from the published folder on, without `.`, `..` and empty parts
pattern-names-no-path-matches-every-path = pattern `{ $v1 }` names no path; `**` matches every path
it-belongs-to-user-and-this-process = it belongs to user { $v1 }, and this process works as user { $v2 }
it-is-a-link-which-is-not = it is a link, which is not followed
it-is-not-a-regular-file = it is not a regular file
in-the-destination-changed-while-it-was = { $v1 } in the destination changed while it was copied
the-release-needs-about-bytes-and-the = the release needs about { $v1 } bytes, and the store can take { $v2 }; its chunks were not fetched. Free some space there or move the home to a larger disk
