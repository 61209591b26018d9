### Parts of sentences: counts, times, errors of the system and of libraries.


## Times and counts inside sentences.

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
keys-threshold = { $n_threshold } of { $n_keys }
