### The sentences of the crates `chuan-storage` and `chuan-net`, as they are in the code, with names for the variables.


## net/src/connection.rs

it-does-not-read-the-hello = it does not read the hello
tls-gives-no-keying-material-connect = TLS gives no keying material; connect again
an-answer-had-no-end = an answer had no end
the-peer-no-longer-accepts-this = the peer no longer accepts this node as a member; the next request says why
it-gave-up-answering = it gave up answering
it-has-sent-nothing-or-almost = it has sent nothing, or almost nothing, for a minute
its-answer-ended-early = its answer ended early

## net/src/dial.rs

a-node-without-addresses = a node without addresses
none-is-known = none is known
dialling-failed = dialling failed: { $error }
its-name-was-not-resolved-in = its name was not resolved in time
no-answer = no answer
it-proved-no-key = it proved no key
node-at = node { $expected } at { $addresses }
it-restarted = it restarted
closed-here = closed here
it-is-stopping = it is stopping
it-speaks-another-version-of-the = it speaks another version of the protocol; bring both nodes to one version

## net/src/driver.rs

the-hello-speaks-another-version = the hello speaks another version
too-many-strangers-are-here-try = too many strangers are here; try again
the-hello-names-another-node-than = the hello names another node than the handshake proved
the-hello-did-not-come-in = the hello did not come in time
the-connection-ended-before-the-hello = the connection ended before the hello
the-first-stream-is-no-hello = the first stream is no hello
a-request-longer-than-a-peer = a request longer than a peer without membership may send
a-stream-must-begin-with-a = a stream must begin with a request

## net/src/endpoint.rs

cannot-run-quic-on-the-socket = cannot run QUIC on the socket
cannot-read-the-socket-s-address = cannot read the socket's address
cannot-set-up-quic = cannot set up QUIC: { $error }
cannot-dial = cannot dial { $address }: { $error }
cannot-listen-on-udp = cannot listen on UDP { $address }
the-idle-time-out-does-not = the idle time-out does not fit: { $error }

## net/src/error.rs

the-node-at-proved-another-key = the node at { $address } proved another key (NodeId { $proved }) than expected ({ $expected }); check the address; if it is right, `chuan pull` with the option `from HOST:PORT` learns the new key, and so does `chuan join` with a new ticket of its operator
lost-what-has-arrived-is-kept = lost { $peer }: { $cause }; what has arrived is kept, run the same command again or name another source with the option `from`
is-busy-try-again-later = { $text } is busy; try again later
broke-the-protocol = { $peer } broke the protocol: { $text }
cannot-set-up-tls = cannot set up TLS: { $error }

## net/src/identity.rs

tls-1-2-is-not-supported = TLS 1.2 is not supported

## net/src/pull.rs

the-thread-that-reads-the-answers = the thread that reads the answers failed: { $error }

## net/src/serve.rs

it-took-too-long = it took too long

## storage/src/digest.rs

everything-before-offset = everything before offset { $to }
at-offset-is-damaged = { $view } at offset { $offset }: { $what } is damaged

## storage/src/disk.rs

start-the-store-s-disk-thread = start the store's disk thread
the-store-s-disk-thread-is = the store's disk thread is gone
a-segment-beyond-4-gib = a segment beyond 4 GiB
the-disk-is-full = the disk is full
a-group-without-a-segment = a group without a segment

## storage/src/file.rs

open = open { $path }

## storage/src/give_back.rs

the-index-is-being-rebuilt-no = the index is being rebuilt; no room is given back
give-back-the-room-of = give back the room of { $path }

## storage/src/layout.rs

make = make { $segments }
list = list { $dir }
sync = sync { $dir }

## storage/src/lock.rs

lock = lock { $path }
another-process = another process
is-in-use-by = { $home } is in use by { $holder }

## storage/src/log.rs

a-record-without-a-group = a record without a group
ask-for-randomness = ask for randomness

## storage/src/objects.rs

the-store-s-threads-are-gone = the store's threads are gone

## storage/src/queue.rs

the-disk-is-full-up-to = the disk is full up to the reserve
the-store-is-closed = the store is closed
then-start-again = { $text }; then start again
a-thread-of-the-store-panicked = a thread of the store panicked

## storage/src/reader.rs

read = read { $path }
at-offset-pull-it-again = { $layout } at offset { $offset }: { $what }; pull it again
the-record-cannot-be-read = the record cannot be read
the-segment-is-unknown-or-belongs = the segment is unknown, or belongs to another library
the-record-s-header-is-damaged = the record's header is damaged
the-record-does-not-match-its = the record does not match its id

## storage/src/rebuild.rs

the-index-is-being-rebuilt-already = the index is being rebuilt already; wait for that to end

## storage/src/recover.rs

the-index-knows-another-segment-than = the index knows another segment than { $path }; it is rebuilt
at-offset-0-the-segment-header = { $view } at offset 0: the segment header is damaged
at-offset-the-file-ends-here = { $path } at offset { $view }: the file ends here, but { $start } bytes were committed
the-footer-is-damaged = { $view }: the footer is damaged
at-offset-0-the-segment-header-is = { $view } at offset 0: the segment header is damaged, so its library is unknown; it is quarantined: nothing of it is read, and the file stays as it is
the-segment-file-is-gone-with = { $file }: the segment file is gone, with all its records
truncate = truncate { $view }

## storage/src/scrub.rs

the-library-of-the-segment-is = the library of the segment is unknown: it is quarantined
the-segment-header-is-damaged = the segment header is damaged
both-copies-of-the-segment-header = both copies of the segment header are damaged; only the index knows its library
the-footer-is-damaged-7 = the footer is damaged
the-file-ends-before-the-last = the file ends before the last committed group
no-record-can-be-read-before = no record can be read before offset { $to }
the-index-names-a-record-that = the index names a record that is not there

## storage/src/settle.rs

start-the-store-s-syncing-thread = start the store's syncing thread
the-store-s-syncing-thread-is = the store's syncing thread is gone

## storage/src/space.rs

ask-for-the-free-space-of = ask for the free space of { $dir }
what-was-stored-before-is-intact = { $dir }: { $what }; what was stored before is intact. Free some space there or move the home to a larger disk

## storage/src/store.rs

the-index-is-damaged-and-building = { $why }; the index is damaged, and building one needs room
it-cannot-be-read-either = { $why }; it cannot be read either: { $text }
it-was-found-damaged-while-it = it was found damaged while it was in use

## storage/src/view.rs

has-format-and-this-chuan-reads = { $path } has format { $version }, and this chuan reads format { $format_version } only: publish or pull into a new home, then remove this one
has-format-a-newer-chuan-wrote = { $path } has format { $version }: a newer chuan wrote it; use that one

## storage/src/walk.rs

read-at = read { $path } at { $base }

## storage/src/writer.rs

start-the-store-s-thread = start the store's thread

## storage/src/ledger/mod.rs

both-files-are-gone-while-the = both files are gone while the home is open: end this process, then start it again
a-ledger-just-mended-cannot-be = a ledger just mended cannot be read: the disk is failing
the-end-of-both-files-is = the end of both files is gone
a-ledger-just-written-cannot-be = a ledger just written cannot be read
record-of-is-damaged-in-both = record { $arrival } of { $pair } is damaged in both copies; `chuan verify` names what is lost
the-home-is-open-for-reading = { $why }; the home is open for reading only until that is mended
records-to = records { $record } to { $last }: { $place }
a-statement-of-bytes-1-to = a statement of { $bytes } bytes; 1 to { $limits } are allowed
a-channel-s-name-of-bytes = a channel's name of { $to } bytes

## storage/src/ledger/open.rs

both-files-of-the-ledger-were = both files of the ledger were gone
ledger-a-and-ledger-b-end = ledger/a and ledger/b end at record { $highest }, and the audit log counts { $known }: an older pair was put in their place; ask peers for what is missing with `chuan pull`
an-older-pair-of-files-was = an older pair of files was put back
the-ledger-cannot-be-mended = the ledger cannot be mended: { $error }
was-written-and-does-not-read = { $pair } was written and does not read back ({ $plan }): the disk is failing
was-written-and-does-not-read-back = { $pair } was written and does not read back: the disk is failing
get-random-bytes-for-a-ledger = get random bytes for a ledger's id
use-the-chuan-that-wrote-it = { $a }, { $b }: { $refusal }; use the chuan that wrote it
put-the-right-file-back-or = { $a }, { $b }: { $refusal }; put the right file back, or look with `chuan ledger show` and choose one with `chuan ledger keep a` or `chuan ledger keep b`

## storage/src/ledger/pair.rs

make-room-in = make room in
set-aside = set aside

## storage/src/ledger/repair.rs

is-not-there-keep-the-other = { $path } is not there; keep the other one
nothing-in-can-be-read-keep = nothing in { $path } can be read; keep the other one, or put one back from a backup

cannot-reach-check-that-it-runs-there = cannot reach { $v1 }: { $v2 }; check that it runs (`chuan serve` there) and that UDP gets through
the-store-refuses-writes-since-an-earlier = the store refuses writes since an earlier one failed ({ $v1 }); start again when there is room
