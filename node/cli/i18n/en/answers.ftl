### The texts of the command line in English: answers, questions, errors, headings of the help.


## Counts of things. `$number` decides the form, `$count` is shown.

count-chunk =
    { $number ->
        [one] 1 chunk
       *[other] { $count } chunks
    }
count-class-not-granted =
    { $number ->
        [one] 1 class is not granted, and not here
       *[other] { $count } classes are not granted, and not here
    }
count-conflict =
    { $number ->
        [one] 1 conflict
       *[other] { $count } conflicts
    }
count-damaged-object =
    { $number ->
        [one] 1 damaged object
       *[other] { $count } damaged objects
    }
count-file =
    { $number ->
        [one] 1 file
       *[other] { $count } files
    }
count-folder =
    { $number ->
        [one] 1 folder
       *[other] { $count } folders
    }
count-item =
    { $number ->
        [one] 1 item
       *[other] { $count } items
    }
count-key =
    { $number ->
        [one] 1 key
       *[other] { $count } keys
    }
count-library =
    { $number ->
        [one] 1 library
       *[other] { $count } libraries
    }
count-member =
    { $number ->
        [one] 1 member
       *[other] { $count } members
    }
count-node =
    { $number ->
        [one] 1 node
       *[other] { $count } nodes
    }
count-page =
    { $number ->
        [one] 1 page
       *[other] { $count } pages
    }
count-path =
    { $number ->
        [one] 1 path
       *[other] { $count } paths
    }
count-peer =
    { $number ->
        [one] 1 peer
       *[other] { $count } peers
    }
count-place =
    { $number ->
        [one] 1 place
       *[other] { $count } places
    }
count-record =
    { $number ->
        [one] 1 record
       *[other] { $count } records
    }
count-release =
    { $number ->
        [one] 1 release
       *[other] { $count } releases
    }
count-round-trip =
    { $number ->
        [one] 1 round trip
       *[other] { $count } round trips
    }
count-segment =
    { $number ->
        [one] 1 segment
       *[other] { $count } segments
    }
count-statement =
    { $number ->
        [one] 1 statement
       *[other] { $count } statements
    }
count-time =
    { $number ->
        [one] 1 time
       *[other] { $count } times
    }

## Units of time.

unit-second = s
unit-minute = min
unit-hour = h
unit-day = d

## Parts of many answers.

yes = yes
no = no
joint = ;{" "}
both = { $files } and { $folders }
class-content = { $files }, { $size }
standard-output = standard output
problems-more = ! and { $number } more
items-more = and { $number } more; --json names up to 1,000

## Words before values.

label-address = address
label-backup = backup
label-fingerprint = fingerprint
label-found = found
label-home = home
label-key = key
label-known = known
label-ledger = ledger
label-left-out = left out
label-library = library
label-lost = lost
label-made = made
label-name = name
label-node = node
label-now = now
label-proposed = proposed
label-refused = refused
label-region = region
label-renew-by = renew by
label-requests = requests
label-room = room
label-root = root
label-secret = secret half
label-serving = serving
label-set-aside = set aside
label-signatures = signatures
label-signed-by = signed by
label-store = store
label-trust = trust
label-waiting-for = waiting for

## Headings of columns.

col-address = ADDRESS
col-age = AGE
col-by = BY
col-channel = CHANNEL
col-channels = CHANNELS
col-classes = CLASSES
col-files = FILES
col-follows = FOLLOWS
col-freshness = FRESHNESS
col-held = HELD
col-here = HERE
col-message = MESSAGE
col-move = MOVE
col-name = NAME
col-newest = NEWEST
col-node = NODE
col-peer = PEER
col-publisher = PUBLISHER
col-region = REGION
col-release = RELEASE
col-release-here = RELEASE HERE
col-role = ROLE
col-sequence = SEQUENCE
col-size = SIZE
col-state = STATE
col-time = TIME (UTC)
col-until = UNTIL (UTC)
col-verbs = VERBS

## `init`, `id`, `serve`.

region-claimed = { $region } (as chuan.toml says)
serving = serving { $node } on { $address }

## `invite`, `join`, `rotate`.

ticket = ticket for { $library } at { $addresses }, for { $nodes }, until { $until } UTC; every holder of the ticket can use it:
ticket-private = ! nodes of other networks cannot reach the addresses in the ticket: set `announce` in chuan.toml to an address that they reach, or give one with --address
joined = joined { $name } ({ $library }) as { $role }, through { $node } at { $address }
joined-next = next: `chuan pull { $name }`; while `chuan serve` runs on a mirror, it fetches every release by itself
rotated = node { $node } has a new key ({ $key }) in { $libraries }; peers that know it already: { $peers }, the others receive it from them
rotated-refused = ! { $library } refuses: it knows this node under another key, or the old key is in dispute; an operator binds the new key with `chuan grant { $node } --library { $library } --node-key { $key }`
rotated-grace = the old key stays valid for { $time }; back up again: `chuan home backup FILE`

## `pull`.

pull-nothing-newer = nothing newer arrived
pull-nothing-would-arrive = nothing newer would arrive
pulled = pulled { $name }@{ $sequence } { $release }{ $fresh }
pull-nothing-new = nothing new: { $name }@{ $sequence } { $release }{ $fresh }
pull-fresh = , { $channel } { $fresh }
pulled-content = { $files }, { $size }; fetched { $chunks } ({ $fetched }, { $encoded } encoded) and { $pages } of pages from { $node } at { $address }
pulled-wire = { $bytes_in } in and { $bytes_out } out on the wire, { $round_trips }, { $time }, { $rate }
pulled-part = { $size } of it came from { $node }
pulled-part-failed = { $size } of it came from { $node }, until: { $why }
pull-stays = { $channel } stays on { $sequence } { $release }
pull-unfinished = unfinished pull: `chuan pull { $library }` resumes it
would-pull = would pull { $name }@{ $sequence } { $release } from { $node } at { $address }: { $chunks }, { $missing } of { $files }, { $size }

## Channels that are behind.

lag = ! { $channel } has been behind for { $since }: { $here }, { $release } was announced; heard from { $by }
lag-heard = ! { $channel } has been behind for { $since }: { $here }, { $release } was announced; heard from { $by } { $heard } ago
lag-here = { $sequence } is here
lag-nothing-here = nothing is here
lag-statements = statements
lag-behind = ! { $channel } is { $number } behind here; `chuan pull` fetches it
lag-behind-of = ! { $channel } is { $number } behind here: release { $sequence } was announced; `chuan pull` fetches it
release-of = release { $sequence } { $release }
release-by-id = release { $release }
no-release = no release
asked = { $node }, asked { $ago } ago: { $answer }
asked-at = { $node } at { $address }, asked { $ago } ago: { $answer }
asked-sent = sent { $release }
asked-has = has { $release }
asked-announces = knows of that release, and has { $release }

## `publish`.

founded = founded library { $name } ({ $library }); its keys are in this home, root 1 of 1
founded-keys = ! the keys are on this disk only: if they are lost, no release can be signed, and no mirror can help
founded-backup = ! write them to another disk, now and after each new key:
published = published { $name }@{ $sequence } { $release }
published-aside = published, live did not move: { $name }@{ $sequence } { $release }
published-content = { $files }, { $size }: read { $read } in { $time }, skipped { $skipped } unchanged; new: { $chunks }, { $new }
live-follows = live follows publisher { $publisher }; `chuan channel set { $name } live { $sequence } --publisher KEY` switches to it
unchanged = nothing changed: { $name }@{ $sequence } { $release } is current
unchanged-aside = nothing changed: { $name }@{ $sequence } { $release } is not on live
would-found = dry run: would found library { $name }
would-change-nothing = dry run: no file is new, changed, gone or in another class since { $name }@{ $sequence }; folders, links and modes are not compared
would-publish = dry run: would publish a release after { $name }@{ $sequence }
would-found-beside = ! no library { $name } is known here; this home has { $libraries }. If the name is right, the publish needs `--found`
would-publish-aside = dry run: would publish a release after { $name }@{ $sequence }; live would not move
live-would-follow = live follows publisher { $publisher }
live-would-stay = live stays on { $live }: it follows no publisher
published-files = new: { $new }; changed: { $changed }; gone: { $gone }; in all: { $all }
excluded = excluded by patterns: { $items }
excluded-item = { $path } ({ $why })
left-out = left out: { $items }
xattrs-left-out = extended attributes of { $files } are left out; --xattrs takes those of the namespace `user`, up to 1 KiB a file
unsettled = changed while they were read, and not taken as they are now: { $files }
has-gaps = the release has gaps: { $items } could not be taken
would-have-gaps = the release would have gaps: { $items } could not be taken
changed-path = { $change }  { $path } ({ $class }), { $size }
gap-stays = { $path } ({ $why }): stays as it was published
gap-absent = { $path } ({ $why }): is not in the release

## `restore`.

restored = restored { $release } to { $folder }
would-restore = would restore { $release } to { $folder }
restored-content = { $content }: { $wrote }, left { $unchanged } alone, reused { $reused } in { $time }
wrote = wrote { $number } ({ $size })
would-write = would write { $number } ({ $size })
restored-links = { $files } of these are hard links to others
xattrs-not-restored = extended attributes of { $files } are not restored; --xattrs restores them
removed = removed { $items } that the release does not have
would-remove = would remove { $items } that the release does not have
one-stays = { $items } stays that the release does not have; --delete removes them
several-stay = { $items } stay that the release does not have; --delete removes them
not-restored = ! { $paths } not restored; --json lists the paths and the reasons

## `ls`, `diff`, `releases`.

listed = { $files }, { $size } in release { $sequence } { $release }
differed = { $added } added, { $removed } removed, { $changed } changed
differed-moved = { $added } added, { $removed } removed, { $changed } changed, { $moved } in another class
held-all = all
held-part = part

## Classes.

class-names = { $names } ({ $number } not here)
class-not-in-release = ! class { $class } is granted here, and the release has no such class
class-stale = ! class { $class } was left out: the channel is older than it allows; name the release by its number to read it
classes-every = all classes
classes-all = all
in-slot = in slot { $slot }

## `verify`, `rebuild`.

verified = { $verdict }: { $releases }, { $pages }, { $chunks }, { $size } hashed in { $time }; { $missing } missing, { $corrupt } corrupt
verified-sound = no problems
verified-problems = problems found
verified-superseded = damaged places that do no harm (stored again, or needed by no release): { $number }
verified-repair = repair it with `chuan pull` from a node that has the data, or publish the source again
rebuilt = rebuilt the index from { $segments } in { $time }: { $chunks }, { $pages }, { $statements }; { $lost } lost

## `status`.

serving-on = on { $address } (process { $process })
serving-no = no
store-held = { $chunks }, { $size } in { $segments }, { $pages }
store-lost = { $number } lost: see `chuan verify`
room-for = for { $size }
keys-none = none
trust-root = root { $root } (version { $version }); keys here: { $keys }
library-known = { $members }, { $releases }
conflicts-open = { $conflicts } open: see `chuan conflicts { $library }`
refused-by = refused by { $node } since { $since } UTC: { $why }
unverified-since = not verified since { $since } UTC: { $node }: { $why }
state-not-pulled = not pulled
state-unverified = source not verified
state-current = current
state-part-held = current, part held
state-behind = { $number } behind
follow-unknown = `[[follow]]` in chuan.toml names { $library }, which is not known here: correct the name, or join the library
backup-current = of { $time } UTC, with all keys
backup-outdated = of { $time } UTC; keys have changed since: `chuan{ $home } home backup FILE`
backup-none = none: keys of libraries are on this disk only; `chuan{ $home } home backup FILE`

## `members`, `grant`, `revoke`.

no-reason = no reason given
was-revoked = { $node } { $name } was revoked on { $time } UTC: { $why }
has-lapsed = { $node } { $name } is no member any more: { $why }
member-state = { $node } is { $state } now
member-before = before: { $rights }
role-origin = an origin
role-mirror = a mirror
role-edge = an edge
rights = { $name } is { $role } that may { $verbs } in { $classes }
rights-in = { $name } is { $role } in region { $region } that may { $verbs } in { $classes }
loses = ! { $name } { $node } loses rights: { $after }; before: { $before }
loses-all = ! { $name } { $node } loses its membership; before: { $before }
would-lose = ! { $name } { $node } would lose rights: { $after }; before: { $before }
would-lose-all = ! { $name } { $node } would lose its membership; before: { $before }

## Previews and questions.

preview = { $library }: nothing was signed; the act:
preview-no-release = ! channel { $channel } has no release any more; it points to { $before } now
preview-this-node = ! the node of this home loses its membership
preview-nothing = it takes nothing away
preview-refused = ! refused as it is: { $why }
preview-confirm = `--yes` confirms it
ask-do = do this?
ask-sign = sign this?
ask-apply = apply it anyway?
ask-apply-root = apply the root anyway?
ask-type-yes = Type yes:
keep-signed = to keep what a removed key has signed, propose the root anew with `chuan root remove-key --statements FILE`
keep-revoked = these nodes get their old rights back; to keep them revoked, propose the root anew with `chuan root remove-key --statements FILE`, or revoke them with a key that stays in the root

## Requests of several operators.

requests = { $kind }, sequence { $sequence }:
made = { $time } UTC, valid until { $until }
signatures = { $have } of { $need } needed, { $keys } may sign
request-applied = applied: it is effective in this home, which passes it on to peers
request-complete = complete: `chuan sign { $file } --apply` applies it, in any home of the library
request-waiting = { $keys }: `chuan sign { $file }`
request-ticket = the ticket is valid once the request is applied:

## Policies.

policy-set = the policy of { $library } is set, sequence { $sequence }:
policy-changes = { $library }: nothing was set; changes that the file makes:
policy-takes = ! less is kept, copied or served of: { $classes }
policy-signed = sequence { $sequence } of { $time } UTC, signed by { $signers }
policy-none = { $library } has no policy: every class keeps everything
policy-excludes = left out by name: { $patterns }
policy-class = class { $class }: { $says }
policy-unknown = { $number } fields are of a newer chuan
policy-left = for `chuan publish --policy`, which a publisher signs: { $settings }
junk-left-out = known junk is left out
junk-published = known junk is published
finding = { $level }: { $text }

## Channels.

channel-moved = { $channel } points to { $sequence } { $release }, from { $from }
channel-points = { $channel } points to { $sequence } { $release }
channel-new = { $channel } (new) points to { $sequence } { $release }
channel-follows = it follows publisher { $publisher }
channel-stays = new releases do not move it; its publisher is { $publisher }
channel-not-here = that release is not here: the channel moves in this home with `chuan pull { $library } --channel { $channel }`
channel-fresh = { $channel } is { $fresh }
channel-of-release = { $channel } ({ $fresh })
vouched-for = vouched for { $age } ago
not-vouched-for = not vouched for
vouched = { $signers } vouched: { $library }@{ $channel } points to { $sequence } { $release }
no-conflicts = no conflicts
conflict = { $state }  { $library }: { $subject } ({ $kind })
conflict-open = OPEN
conflict-settled = settled
conflict-proof = { $statement } at sequence { $sequence }, { $time } UTC, signed by { $signers }

## Keys and roots.

secret-encrypted = { $file } (with a passphrase)
secret-plain = { $file } (WITHOUT a passphrase)
root-version = version { $version }: { $fingerprint }
root-none = no root is signed yet
proposed-nothing = nothing
renew-by = { $time } UTC; an overdue root stays valid
role = { $count }: { $keys }
role-of = { $count } of { $classes }: { $keys }
tally = { $have } of { $need } needed
signatures-of-both = { $old } by keys of the current root, { $new } by keys of this root
signatures-of-one = { $new } by keys of this root
root-complete = complete: it takes effect when it is applied to a home
fingerprint-of-version = { $fingerprint } (version { $version })
carried = wrote { $statements } of library { $library }, { $size }, to { $file }
offered = { $new } new, { $known } known already
offered-row = { $result } { $kind } { $statement }: { $why }

## The audit log.

record-in = in { $library }
record-by-node = by node { $node }
record-by-role = by { $role } { $key }
record-by-unknown = by an unknown peer
record-times = { $times } in { $time }
record-ending = { $ending }: { $why }
log-listed = { $records } in the log, the last one { $head }
log-exported = exported { $records } to { $file }, the last one { $head }
checkpoint = { $records } in the log of node { $node } at { $time } UTC, by key { $key }; written to { $file }
log-gap = GAP: { $records } from record { $from } on are missing; record { $to } continues from a checkpoint of node { $node }, signed by key { $key }
log-altered = ALTERED: { $why }
log-altered-at = found at record { $record }; proved unchanged: the first { $records }
log-checkpoint-of = the given checkpoint is of node { $node }, signed by key { $key }
log-proved-by-file = proved unchanged: { $records }, by the given checkpoint
log-proved-by-home = proved unchanged: { $records }, by this home's own checkpoint
log-unproved = unproved from record { $from } on: { $records } in a valid chain, which may have been cut off or written anew
log-torn = { $bytes } bytes at the end are incomplete; the next start cuts them off
log-stronger-proof = the holder of this home could have written all of the log anew: for a stronger proof, take a checkpoint from a peer (`chuan audit checkpoint NODE FILE` there) and give it with --checkpoint

## The ledger.

ledger-choose = put the right file back, or `chuan ledger keep a|b` makes both anew from one
ledger-lost = { $records } lost: `chuan pull` asks peers, `chuan verify` names them
ledger-lost-records = { $records }; `chuan pull` asks peers for them
ledger-mended = damage was found and repaired when the home was opened
ledger-read-only = damaged, and cannot be repaired: for reading only
ledger-sound = both files are sound
ledger-repaired-next = the next start repairs it
ledger-gone = both files are gone or unreadable; the next start begins a new ledger and asks peers
ledger-refused = the home does not open until a file is chosen
ledger-of-other = { $path } is the ledger of another node, { $node }
ledger-made = made both files anew from { $path } ({ $records })
ledger-would-make = would make both files anew from { $path } ({ $records })
ledger-left-behind = { $records } of { $path } come after its last record and are not taken over
ledger-copy-missing = missing
ledger-copy-other = of another node, { $node }
ledger-copy-generation = generation { $generation }
ledger-copy-no-header = header damaged
ledger-copy-records = { $records }, { $first } to { $last }, { $size }
ledger-copy-damaged = { $places } damaged

## `home`.

backed-up = backup of node { $node } in { $file }: { $keys }, { $libraries }, { $peers }, { $size }
backup-absent = ! not in it: { $key } is a link, and its target is not there now; back it up apart
backup-keep = keep it on another disk, and its passphrase in another place: both are needed to restore it
home-restored = { $home } is node { $node } ({ $name }) as of { $time } UTC: { $keys }, { $libraries }, { $peers }
home-restored-once = if the old home still runs anywhere, stop it first: two homes with one key contradict each other
home-restored-pull = `chuan{ $home } pull { $library }` asks peers; before that, it signs nothing for the library
home-copied = copied and compared { $files }, { $size }
home-renamed = renamed
home-moved = the home is in { $to } now ({ $how }); { $from } is gone
home-moved-next = name it with --home or CHUAN_HOME, also where the node is started

## Progress.

progress = { $phase }: { $done }, { $rate }
progress-of = { $phase }: { $done } of { $total }, { $rate }
time-left = , { $time } left
held-already = , { $size } held already

## Errors.

error = error:{" "}
error-of-kind = error ({ $kind }, { $number }):{" "}
exit-internal = defect in chuan
exit-usage = wrong command line
exit-missing = not found
exit-invalid = invalid input
exit-denied = not permitted
exit-busy = busy
exit-corrupt = corrupt data
exit-peer = peer unreachable or faulty
exit-full = no space left
exit-io = the system refused to read or write
exit-stale = behind
exit-gaps = gaps
exit-interrupted = interrupted
usage-unknown-argument = unexpected argument '{ $argument }' found
usage-unknown-command = unrecognized subcommand '{ $command }'
usage-no-value = a value is required for '{ $argument }' but none was supplied
usage-invalid-value = invalid value '{ $value }' for '{ $argument }'
usage-refused-value = invalid value '{ $value }' for '{ $argument }': { $why }
usage-invalid = it has another form
usage-missing = the following required arguments were not provided: { $arguments }
usage-twice = the argument '{ $argument }' cannot be used multiple times
usage-conflict = the argument '{ $argument }' cannot be used with '{ $other }'
usage-no-command = a command is required
usage-too-many-values = unexpected value '{ $value }' for '{ $argument }' found; no more were expected
usage-number-of-values = wrong number of values for '{ $argument }'
usage-no-equals = equal sign is needed when assigning values to '{ $argument }'
usage-not-utf8 = invalid UTF-8 was detected in one or more arguments
usage-possible = ; possible values: { $values }
usage-near = tip: did you mean { $names }?
usage-more = For more information, try '--help'.

## Words of answers: states, results, signers, kinds of acts, phases of work. Other words are shown as they are.

word-member = member
word-suspended = suspended
word-expired = expired
word-revoked = revoked
word-lapsed = lapsed
word-stranger = stranger
word-operator = operator
word-publisher = publisher
word-ticket = ticket
word-revoke = revoke
word-channel = channel
word-policy = policy
word-release = release
word-new = new
word-known = known
word-outdated = outdated
word-idle = idle
word-unproved = unproved
word-refused = refused
word-failed = failed
word-error = error
word-warning = warning
word-publish = publish
word-pull = pull
word-restore = restore
word-verify = verify
word-rebuild = rebuild
word-look = look
word-peer = not reached
word-interrupted = interrupted
word-gaps = gaps
word-denied = refused
word-usage = usage
word-internal = internal
word-stale = stale
word-io = failed here
word-corrupt = damaged
word-invalid = invalid
word-missing = nothing to send
word-busy = busy
word-full = no space here
word-pins = pins
word-checkpoint = checkpoint
word-fresh = fresh
word-succession = succession
word-timekeeper = timekeeper
word-root = root
word-reclassified = reclassified
word-removed = removed
word-changed = changed
word-added = added
contradicted = ! { $channel } is contradicted: its publisher's key moved it to two releases at one time, so it stays; `chuan conflicts { $library }` shows them, and an operator settles it with `chuan channel set { $library } { $channel } { $library }@{ $release }`
contradicted-stays = ! { $channel } is contradicted, and stays until an operator moves it: `chuan conflicts`
state-contradicted = contradicted
joined-already = this node made the ticket, and is a member of { $name } already; the ticket is not used: run `chuan join` there, on the node that joins
backup-unnoted = ! `chuan status` does not count this backup, since the home takes no writes: { $why }
preview-leaves = ! channel { $channel } moves from { $before } to { $after }: it { $left }
leaves-one = leaves release { $release }, which { $after } does not contain
leaves = leaves releases { $releases }, which { $after } does not contain
channel-leaves = ! it { $left }
channel-moves-on = ! the next publish of publisher { $publisher } moves { $channel } on from { $sequence }; `chuan channel set { $library } { $channel } { $sequence } --no-follow` holds it there
live-stays = live stays on { $live }: it follows no publisher; `chuan channel set { $name } live { $sequence }` moves it there, and with `--follow` also with later releases
replaces = ! live was moved back to { $sequence } by { $by } { $signers }; this release replaces that
would-replace = ! live was moved back to { $sequence } by { $by } { $signers }; the release would replace that
waited = waited { $time } for peers
completed = completed { $name }@{ $sequence } { $release }{ $fresh }
here-already = { $name }@{ $sequence } is here already
class-arrived = granted class { $class } arrived
repaired = { $objects } fetched again
no-room = ! that does not fit: the store can take { $size }
pull-from = another node may have it: `chuan pull { $name } --from HOST:PORT`
no-longer-effective = { $by }, no longer effective
col-last-answer = LAST ANSWER
col-release-held = RELEASE
answered-ok = ok, { $time } ago
not-reached = not reached { $time } ago
not-reached-since = not reached { $time } ago; answered { $last } ago
refused-before = refused { $time } ago
answered-code = { $code }, { $time } ago
and-revoked = { $answer }; revoked
key-not-in-root = { $key } (not in the root)
pull-unfinished-revoked = unfinished pull: it goes on after an operator grants this node access again
