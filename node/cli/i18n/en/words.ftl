### Parts of sentences: counts, times, errors of the system and of libraries.


## Times and counts inside sentences.

age-whole-minutes = { $n_minutes } min 0 s
age-whole-hours = { $n_hours } h 0 min
age-whole-days = { $n_days } d 0 h
age-seconds = { $n_seconds } s
age-minutes = { $n_minutes } min { $n_seconds } s
age-hours = { $n_hours } h { $n_minutes } min
age-days = { $n_days } d { $n_hours } h
one-day = 1 day
several-days = { $n_days } days
one-file = 1 file
several-files = { $n_files } files
one-node = 1 node
several-nodes = { $n_nodes } nodes
one-other-node = 1 other node
several-other-nodes = { $n_nodes } other nodes
one-record = 1 record
several-records = { $n_records } records
one-release = 1 release
several-releases = { $n_releases } releases
one-whole-copy = 1 whole copy
several-whole-copies = { $n_copies } whole copies
one-thing = 1 thing

## Errors of the system.

os-1 = Operation not permitted (os error 1)
os-2 = No such file or directory (os error 2)
os-5 = Input/output error (os error 5)
os-11 = Resource temporarily unavailable (os error 11)
os-12 = Cannot allocate memory (os error 12)
os-13 = Permission denied (os error 13)
os-16 = Device or resource busy (os error 16)
os-17 = File exists (os error 17)
os-18 = Invalid cross-device link (os error 18)
os-20 = Not a directory (os error 20)
os-21 = Is a directory (os error 21)
os-22 = Invalid argument (os error 22)
os-24 = Too many open files (os error 24)
os-27 = File too large (os error 27)
os-28 = No space left on device (os error 28)
os-30 = Read-only file system (os error 30)
os-36 = File name too long (os error 36)
os-39 = Directory not empty (os error 39)
os-40 = Too many levels of symbolic links (os error 40)
os-98 = Address already in use (os error 98)
os-99 = Cannot assign requested address (os error 99)
os-101 = Network is unreachable (os error 101)
os-104 = Connection reset by peer (os error 104)
os-110 = Connection timed out (os error 110)
os-111 = Connection refused (os error 111)
os-113 = No route to host (os error 113)
os-116 = Stale file handle (os error 116)
os-122 = Disk quota exceeded (os error 122)

## Sentences of libraries.

unexpected-end = failed to fill whole buffer
not-utf8 = stream did not contain valid UTF-8
timed-out = timed out
unresolved = failed to lookup address information: { $why }
name-unknown = Name or service not known
name-temporary = Temporary failure in name resolution

## Parts of sentences that are made elsewhere.

write-manual = write manual pages to { $dir }
invalid-class-name = class name `{ $name }`: { $why }
rights-pull = pull in { $classes }
rights-watch = watch in { $classes }
rights-both = pull,watch in { $classes }
keys-one = 1 of 1
keys-threshold = { $n_threshold } of { $n_keys }
setting-junk = junk
setting-excludes = excludes
with-path-beneath = { $reason } (1 path under it is not restored)
with-paths-beneath = { $reason } ({ $n_paths } paths under it are not restored)
index-needs = the index needs { $n_memory } MiB of memory and { $n_threads } threads; raise the limits of this process (ulimit -v, ulimit -u), or end other programs
name-at = { $node } at { $addresses }
offset-at = { $path } at { $n_offset }: { $what }
place-at = { $path } at { $n_offset }
in-process = process { $n_pid } ({ $doing })
in-class-by = `{ $name }` by `{ $pattern }`
verbs-of-statement = pull,watch
ticket-for = ticket { $ticket } for { $nodes }
policy-rows = { $library } sequence { $n_sequence }, { $n_rows } rows
root-of-version = { $library } version { $n_version }
key-after = { $node }: key { $new } after { $old }
frame-cut-short = the frame is cut short
frame-checksum = the frame fails its checksum
frame-record-checksum = a record fails its checksum
frame-header = the records do not match the frame's header
frame-none = no frame begins here
frame-missing = the frame before this one is missing
frame-numbers = arrival numbers do not ascend
object-not-held = { $object } is not held here; pull the library again
object-damaged = { $object } is damaged here; pull the library again, and check the disk
object-chunk = chunk { $id }
object-page = page { $id }

## Words: the values of the variables `w_…`, and `none`.

none = none
word-release = release
word-releases = releases
word-node = node
word-channel = channel
word-library = library
word-class = class
word-pipe = pipe
word-socket = socket
word-device = device
word-junk = junk
word-static = static
word-incremental = incremental
word-dynamic = dynamic
word-is = is
word-contains = contains
