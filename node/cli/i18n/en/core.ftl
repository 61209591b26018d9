### The sentences of the crates `chuan`, `chuan-api` and `chuan-cli`, as they are in the code, with names for the variables.


## node/api/src/command.rs

resolve = resolve { $path }
the-path-is-not-utf-8 = the path { $path } is not UTF-8; rename it, or reach it through a link with another name
invalid-duration-write-90s-15m-12h = invalid duration `{ $text }`; write 90s, 15m, 12h or 7d

## node/api/src/exit.rs

interrupted-run-the-command-again-to = interrupted; run the command again to continue from here

## node/api/src/spec.rs

is-no-name-use-1-to = `{ $name }` is no { $w_what } name; use 1 to { $name_bytes } bytes of letters, digits, `-`, `_` and `.`, beginning with a letter or digit
a-channel-could-not-be-told = a channel `{ $name }` could not be told from a release with this number or id; choose a name with a character that is not in 0-9 and a-f
could-be-the-beginning-of-an = `{ $name }` could be the beginning of an id, and is no { $w_what } name; add another character than 0-9 and a-f

## node/api/src/command/range.rs

range-is-outside-the-file-of = range { $range } is outside the file of { $size } bytes
invalid-byte-range-write-0-99 = invalid byte range `{ $text }`; write 0-99, 100- or -100

## node/api/src/command/signed.rs

invalid-verb-use-pull-or-watch = invalid verb `{ $text }`; use pull or watch

## node/api/src/command/statements.rs

a-statement-is-not-in-base64 = a statement is not in base64

## node/core/src/file.rs

is-not-a-regular-file-remove = { $path } is not a regular file; remove it, and put the file back from a backup
has-more-than-bytes = { $path } has more than { $max } bytes
write = write { $path }
is-there-already-choose-another-name = { $path } is there already; choose another name
remove = remove { $path }

## node/core/src/keyring.rs

the-root-of-library-is-not = the root of library { $library } is not known here
holds = { $path } holds { $public }
this-command-needs-the-key-of = this command needs the { $role } key of { $library } ({ $wanted }); { $seen }; give the right key with the option `key` or CHUAN_KEY
no-key-is-given-name-its = no key is given; name its file with the option `key` or CHUAN_KEY
this-home-has-no-key-of = this home has no { $role } key of { $library } ({ $wanted }); give its file with the option `key` or CHUAN_KEY, or run this where { $file_name } is
the-root-names-none = the root names none

## node/core/src/ledger.rs

does-not-exist-keep-the-other = { $from } does not exist; keep the other file
this-makes-both-files-again-from = this makes both files again from { $from } (records { $first } to { $last }), and not from the other file (records { $first2 } to { $last2 }); check it with the option `dry-run`, and confirm it with the option `yes`

## node/core/src/net_error.rs

on-utc = {" "}on { $at_ms } UTC
an-operator-of-the-library-revoked = an operator of the library revoked this node{ $at }; a ticket does not admit it again: ask an operator, who can grant it anew with `chuan grant`

## node/core/src/open_home.rs

the-home-is-being-closed-try = the home is being closed; try again
the-home-was-moved-deleted-or = the home { $home } was moved, deleted or replaced, or its disk was taken away, and this process writes no more; start it again with the folder in which the home is now
the-home-takes-no-writes-so = the home takes no writes, so this process only reads: { $why }

## node/core/src/policy.rs

how-class-is-kept = how class `{ $class }` is kept
the-paths-of-class = the paths of class `{ $class }`
is-not-utf-8-text = { $path } is not UTF-8 text
it-has-no-class-no-excludes = it has no [[class]], no excludes and no junk
a-library-has-at-most-classes-7 = a library has at most { $classes } classes
class-is-there-twice = class `{ $class }` is there twice
excludes = excludes: { $error }
use-1-to-64-bytes-of = use 1 to 64 bytes of visible text, without white space or any of *?[]{ $text },/{" "}
priority-use-1-to-255-a = priority: use 1 to 255; a higher number goes first
regions = regions: { $error }

## node/core/src/redeem.rs

the-name-could-be-the-beginning = the name `{ $join }` could be the beginning of an id; change `name` in chuan.toml, and join again
with-ticket = { $join } with ticket { $ticket }
the-node-cannot-redeem-a-ticket = the node cannot redeem a ticket now

## node/core/src/report.rs

skipped = skipped: { $path }: { $w_why }

## node/core/src/rotation.rs

key = { $id }: key { $new }

## node/core/src/serve.rs

the-node-is-closed-open-the = the node is closed; open the home again
this-node-listens-on-already = this node listens on { $address } already
another-program-listens-on-udp-already = another program listens on UDP { $address } already; end it, or choose another address with the option `listen` or with `listen` in chuan.toml
no-keying-material = no keying material

## node/core/src/services.rs

waiting-for-another-publish-or-pull = waiting for another publish or pull of { $library }

## node/core/src/session.rs

a-command-failed = a command failed: { $error }
unexpected-response-from-the-running-node = unexpected response from the running node (another version?)
is-served-already-by-process = { $home } is served already, by process { $pid }
is-in-use-by-process-serve = { $home } is in use by `{ $doing }` (process { $pid }); serve it when that has ended
is-locked-by-a-process-that = { $home } is locked by a process that does not answer; if it hangs, end it and try again

## node/core/src/signed_record.rs

encode-what-was-signed-here = encode what was signed here: { $error }

## node/core/src/transfer.rs

the-revocation-of-node-by-key = the revocation of node { $node } by key { $by } ends: { $reason }
node-is-no-member-any-more = node { $name } { $node } is no member any more
node-loses-rights = node { $name } { $node } loses rights
channel-has-no-release-any-more = channel { $name } has no release any more; it points to release { $before } now
has-no-lists-of-pins-of = { $beside } has no lists of pins of library { $library }; put the right file beside { $path }
the-root-that-proposes-is-not = the root that { $path } proposes is not signed by enough keys ({ $waiting } could sign); `chuan root sign { $path }`

## node/core/src/admin/client.rs

cannot-encode-the-command = cannot encode the command: { $error }
the-running-node-refuses-the-command = the running node refuses the command ({ $status }: { $from_utf8_lossy }); another version of chuan?
the-process-that-held-the-home = the process that held the home ended before the command did; run it again
cannot-form-a-request = cannot form a request: { $error }
the-running-node-sends-a-line = the running node sends a line that is too long
unexpected-response-from-the-running-node-another = unexpected response from the running node ({ $error }); another version of chuan?

## node/core/src/admin/server.rs

command-failed = command failed: { $error }
cannot-encode-the-answer = cannot encode the answer: { $error }

## node/core/src/admin/socket.rs

listen-on = listen on { $run_dir }
connect-to = connect to { $run_dir }
user-is-not-the-home-s = user { $peer } is not the home's user

## node/core/src/audit/own_checkpoints.rs

a-checkpoint-of-this-node-names = a checkpoint of this node names another record { $fork } than the log has: this home was restored from a backup, or is a clone
the-checkpoint-is-of-node-this = the checkpoint is of node { $theirs }; this is node { $mine }
the-checkpoint-is-signed-by-key = the checkpoint is signed by key { $key }, which is not a key of this node
no-checkpoint-of-is-known-here = no checkpoint of `{ $node }` is known here; `chuan members` lists the members of a library

## node/core/src/audit/task.rs

more-contradictions-than-are-recorded-here = more contradictions than are recorded here; `chuan conflicts` lists them
set-aside-as-damaged-things-that = set aside as damaged: { $set_aside } things that were stored
stored-again-things-that-had-been = stored again: { $mended } things that had been damaged

## node/core/src/audit_log/failed.rs

many-other-places = many other places
from = { $kind } from { $place }

## node/core/src/audit_log/files.rs

repair = repair { $path }
run-chuan-audit-verify-for-details = { $path }: { $message }; run `chuan audit verify` for details

## node/core/src/audit_log/line.rs

invalid-ending-of-a-record = invalid ending `{ $other }` of a record
unknown-role = unknown role `{ $role }`

## node/core/src/audit_log/log.rs

bytes-at-the-end = { $torn } bytes at the end
records-that-could-not-be-written = records that could not be written
the-audit-log-is-not-open = the audit log is not open
append-to = append to { $files }
sync-the-audit-log = sync the audit log
the-file-is-missing = the file { $files } is missing
the-file-is-not-the-next = the file { $name } is not the next one
is-cut-short = { $files } is cut short
was-altered-at-record-see-chuan = { $dir } was altered at record { $at }: { $why }; see `chuan audit verify`, keep a copy, and move the folder away to begin a new log
the-audit-log-cannot-be-written = the audit log cannot be written, so nothing was done: { $why }

## node/core/src/audit_log/verify.rs

is-not-a-checkpoint = { $path } is not a checkpoint
no-export-is-named-give-one = no export is named; give one with the option `export`
the-line-is-not-a-record = the line is not a record: { $why }
the-record-has-another-id-than = the record has another id than the line says
the-log-continues-from-a-checkpoint = the log continues from a checkpoint by key { $key }, which is not the node's

## node/core/src/authority/channel.rs

already-points-to-the-same-release = { $to } already points to the same release as { $from }
has-no-earlier-release-chuan-channel = { $channel } has no earlier release; `chuan channel set` moves it to any release
already-points-to = { $channel } already points to `{ $text }`
never-pointed-to-chuan-history-with = { $channel } never pointed to `{ $text }`; `chuan history { $library }` with the option `channel { $channel }` lists its releases, and `chuan channel set` moves it to any release
a-channel-that-was-just-moved = a channel that was just moved is not there
another-statement-about-was-signed-at = another statement about { $name } was signed at the same time, and is effective instead; see `chuan history { $library_name }` with the option `channel { $name }`, and `chuan conflicts { $library_name }`, and run it again
is-not-a-release-of = `{ $text }` is not a release of { $library }
matches-no-publisher-of-or-several = `{ $text }` matches no publisher of { $library }, or several; its publishers are { $all }
no-signer-of-the-release-is = no signer of the release is a publisher now; name one with the option `publisher`

## node/core/src/authority/classes.rs

has-no-class-known-here-if = { $library } has no class `{ $unknown }` (known here: { $known }); if a later publish makes it, give the option `new-class`

## node/core/src/authority/grant.rs

another-operator-signed-a-statement-about = another operator signed a statement about the node at the same time, and that is effective; see `chuan members`, and run it again
is-the-node-of-this-home = { $node } is the node of this home, which would be shut out of { $library }, and with it { $preview }; if that is what you want, give the option `this-node`
other-node = other node
another-operator-keeps-granting-the-node = another operator keeps granting the node; agree with them, and run it again
no-classes-are-given-name-them = no classes are given; name them with the option `class`, or give all with the option `all-classes`: a grant has no default classes
the-time-of-the-option-expires = the time of the option `expires` is too long; without it, the membership has no end
has-no-key-now-and-had = has no key now, and had other keys than its first one
is-new-here = is new here
node-give-the-key-that-chuan = node { $node } { $why }; give the key that `chuan id` prints there, with the option `node-key`

## node/core/src/authority/invite.rs

a-ticket-that-waits-for-signatures = a ticket that waits for signatures needs the option `request`
no-address-for-the-ticket-run = no address for the ticket; run `chuan serve`, set `announce` in chuan.toml, or give one with the option `address`
the-ticket-would-never-expire-give = the ticket would never expire; give a shorter time with the option `expires`

## node/core/src/authority/policy.rs

setting-a-policy-needs-a-key = setting a policy needs a key
has-no-policy-every-class-keeps = { $library } has no policy: every class keeps everything; `chuan policy set { $library } FILE` sets one
no-class-of-is-known-here = no class `{ $class }` of { $library } is known here (known: { $value }); make it with a publish with the option `policy`, or run this on a node that has it
class-has-a-max-stale-and = class `{ $name }` has a max_stale, and the root names no timekeeper to sign freshness; first add one with `chuan root add-key FILE timekeeper KEY`, sign and apply
class-wants-and-may-have-it = class `{ $name }` wants { $counted_as }, and { $copies } may have it (only origins and mirrors); `chuan grant` it to more
whole-copy = whole copy
whole-copies = whole copies
class-wants-fewer-copies-than-it = class `{ $name }` wants fewer copies than it names regions
no-origin-or-mirror-that-may = no origin or mirror that may have class `{ $name }` is bound to region { $region }; grant a node with the option `region { $region }`
class-mirrors-look-for-a-release = class `{ $name }`: mirrors look for a release less often (every) than rpo allows
region-has-half-of-all-bound = region { $region } has half of all bound nodes or more: without it, the others are no majority; bind nodes in other regions

## node/core/src/authority/preview.rs

and-more = {" "}and { $more } more

## node/core/src/authority/publish.rs

a-publish-was-not-tried = a publish was not tried
to-make-this-home-a-member = to make this home a member needs { $lacks }; name each key file with the option `key`
no-library-here-join-it-with = no library { $name } here; join it with a ticket
no-library-here-chuan-found-file = no library { $name } here; `chuan found FILE` founds one with keys of your own, and without the option `key` its keys are made here
the-channel-moved-while-the-files = the channel moved while the files were read; run it again
this-node-was-revoked-an-operator = this node was revoked ({ $reason }); an operator can admit it again with `chuan grant { $node }`, with a new key if the old one was stolen
a-keyring-found-no-key = a keyring found no key

## node/core/src/authority/request.rs

this-needs-write-it-to-a = this needs { $lacks }; write it to a file with the option `request FILE`, and let the other operators `chuan sign FILE`
of-the-operator-keys-of-and = { $threshold } of the { $role } operator keys of { $library }, and { $signers } { $verb } available
the-request-is-for-library-which = the request is for library { $request } ({ $request2 }), which this home does not know; apply it in a home that does, or join the library first
it-was-signed-with-keys-that = it was signed with keys that are no longer valid: make a new request
could-sign-chuan-sign = { $waiting } could sign (`chuan sign { $path }`)
the-request-has-of-signatures = the request has { $have } of { $need } signatures; { $remedy }
the-act-contradicts-a-statement-that = the act contradicts a statement that was signed since the request was made; make a new request
the-act-is-not-effective-if = the act is not effective: { $why }; if a newer statement was signed since, make a new request
this-home-knew-it-already = this home knew it already

## node/core/src/authority/words.rs

none-given = none given
revokes-node = revokes node { $name } { $node }
reason = reason: { $reason }
ends-every-grant-of-it-so = ends every grant of it so far, and the memberships of nodes that joined through it
slot = slot { $slot }
a-statement = a { $other } statement
makes-node-a-member-as = makes node { $body } { $node } a member, as { $body2 }
it-proves-key = it proves key { $key }
may-in = may { $verbs } in { $classes }
region = region: { $region }
until = until: { $value }
no-end = no end
before-as-may-in-region-key = before: { $before } as { $before2 }, may { $before3 } in { $classes }, region { $region }, key { $value }
the-same = the same
before-it-was-revoked = before: it was revoked
before-it-had-lost-its-membership = before: it had lost its membership: { $why }
before-not-a-member-as-far = before: not a member, as far as the request knows
mirror-or-edge = mirror or edge
a-ticket-for-until-utc = a ticket for { $terms }, until { $terms2 } UTC
they-may-in-as = they may { $terms } in { $classes }, as { $role }
redeemed-by = redeemed by { $redeemers }
ticket-key = ticket key { $key }
release-7 = release { $said } { $id }
new-releases-are-current-at-once = new releases are current at once
it-stays-on-this-release = it stays on this release
moves-channel-to = moves channel { $body } to { $named }
its-active-publisher-is = its active publisher is { $active }; { $follow }
before-publisher = before: { $named }, publisher { $value }; { $follow }
before-no-such-channel-as-far = before: no such channel, as far as the request knows
known-junk = known junk: { $value }
left-out = left out
class-7 = class { $slot }: { $row }
class-no-row-any-more-it = class { $slot }: no row any more; it keeps everything
fields-that-this-chuan-does-not = { $after } fields that this chuan does not know
changes-nothing = changes nothing
mirrors = { $w_mirror } mirrors
looked-for-every = looked for every { $span }
priority = priority { $priority }
whole-within-of-a-release = whole within { $span } of a release
out-of-reach-for-at-most = out of reach for { $span } at most
copies-behind-by-at-most = copies behind by { $span } at most
viewers-at-once = { $viewers } viewers at once
whole-copies-7 = { $replicas } whole copies
copies-in = copies in { $regions }
everything-is-kept = everything is kept
the-newest-versions-are-kept = the newest { $releases } versions are kept
versions-are-kept-for = versions are kept for { $span }
the-newest-versions-and-those-of = the newest { $releases } versions, and those of { $span }, are kept
not-read-by-a-channel-s = not read by a channel's name when older than { $span }
all-classes = all classes
classes = classes { $patterns }

## node/core/src/commands/audit.rs

no-record-the-log-has-numbered = no record { $record }: the log has { $count }, numbered from 0
is-a-link-or-no-regular = { $path } is a link or no regular file; name another file, or none to write to standard output
cannot-encode-a-record = cannot encode a record: { $error }

## node/core/src/commands/join.rs

the-ticket-has-no-address = the ticket has no address
through-as = through { $redeemer } as { $role }
this-node-knows-that-its-membership = this node knows that its membership has ended; ask an operator to grant it again
the-answer-to-the-ticket-is = the answer to the ticket is incomplete: { $error }
the-answer-to-the-ticket-does = the answer to the ticket does not make this node a member; ask for a new ticket

## node/core/src/commands/maintain.rs

verify-found-damaged-and-missing = verify found { $corrupt } damaged and { $missing } missing
valid-records-are-not-in-the = { $unindexed } valid records are not in the index; `chuan rebuild` adds them
it-does-no-harm = { $file } at { $offset }: { $what }; it does no harm
class-header-is-not-held = { $context }: class header { $commitment } is not held
page-is-not-held = { $context }: page { $page } is not held
chunk-bytes-is-not-held = { $context }: chunk { $chunk } ({ $chunk2 } bytes) is not held
class-is-not-whole = { $context }: class { $header } is not whole

## node/core/src/commands/mod.rs

status-is-answered-by-the-process = status is answered by the process that holds the home

## node/core/src/commands/restore.rs

the-option-delete-would-remove-the = the option `delete` would remove the files of class `{ $classes_stale }`, which is left out because the channel is older than it allows; name the release, { $library }@{ $sequence }, to restore and delete
the-option-delete-would-remove-the-2 = the option `delete` would remove the files of class `{ $class }`, as { $path }: this node was granted the class before, and has none of its content of this release; remove them by hand, or restore without that option
not-restored = not restored: { $failed }: { $reason }
is-not-a-folder-choose-another = { $dest } is not a folder; choose another name
the-home-of-a-node-nothing = { $dest } { $w_how } the home of a node, { $home }: nothing is restored over keys and a store; choose another folder
lies-in = lies in
is-a-part-of = is a part of
lies-in-a-part-of = lies in a part of

## node/core/src/commands/status.rs

one-lost-or-stolen-key-decides = one lost or stolen key decides: see docs/trust.md
the-root-should-have-been-renewed = the root should have been renewed { $days } ago; nothing stops

## node/core/src/commands/diff.rs

are-of-two-libraries-and-only = { $v1 } and { $v2 } are of two libraries, and only releases of one library are compared

## node/core/src/context/store.rs

this-node-keeps-its-content-in = this node keeps its content in memory

## node/core/src/exchange/mod.rs

the-ledger-has-lost-records-asking = the ledger has lost records: asking peers for them
is-not-a-member-of-under = { $link } is not a member of { $known } under its current key, and gets no statements

## node/core/src/exchange/scheduler.rs

the-exchange-took-too-long = the exchange took too long
the-node-is-being-closed = the node is being closed

## node/core/src/handle/act.rs

this-act-has-no-preview-it = this act has no preview: it takes nothing away
this-act-has-no-request-file = this act has no request file

## node/core/src/handle/answers.rs

a-release-of-is-announced-and = a release of { $library }@{ $channel } is announced, and no node that answered has it yet

## node/core/src/handle/audit_log.rs

no-record-in-the-audit-log = no record { $number } in the audit log

## node/core/src/handle/file.rs

a-read-of-more-than-bytes = a read of more than { $most } bytes; read it in parts
the-content-of-ends-before-its = the content of { $path } ends before its size
a-read-failed = a read failed: { $error }

## node/core/src/handle/library.rs

has-no-release-here = { $name } has no release { $sequence } here
has-several-releases-name-one-by = { $name } has several releases { $sequence }; name one by its id
several-nodes-match-name-one-by = several nodes match `{ $text }`; name one by its id: { $ids }
library-is-not-here-any-more = library { $id } is not here any more

## node/core/src/handle/mod.rs

a-library-is-here-already = a library `{ $name }` is here already: { $id }
has-another-act-than-show-it = { $path } has another act than { $act }; show it again

## node/core/src/handle/progress.rs

the-answer-was-taken-already = the answer was taken already

## node/core/src/home/backup.rs

lies-in-the-home-a-backup = { $path } lies in the home: a backup is lost with it; choose a folder on another disk
encode-a-backup = encode a backup: { $error }
the-keys-and-settings-of-this = the keys and settings of this home take more than { $backup_file_bytes } bytes; copy the folder { $home } instead
encode-peers = encode peers: { $error }
is-a-home-already-restore-into = { $home } is a home already; restore into another folder, with the option `home`
is-there-already-it-is-a = { $part } is there already: it is a part of another home; restore into a folder of its own
encode-a-note = encode a note: { $error }
the-keys-or-settings-of-the = the keys or settings of the home change all the time; try again
look-at = look at { $path }
is-a-backup-of-version-and = { $path } is a backup of version { $version }, and this chuan reads version { $version }; use the chuan that wrote it
is-not-a-complete-backup-of = { $path } is not a complete backup of a chuan home; use another copy of it

## node/core/src/home/config.rs

region-7 = { $path }: region: { $error }
announce = { $path }: announce: { $error }
a-library-is-followed-twice = `{ $library }` is there twice; keep one table [[follow]] of it
a-table-follow-names-no-library = a table [[follow]] names no library; add library = "NAME"
a-pull-failed = a pull failed: { $v1 }
settings-follow = { $path }: follow: { $v1 }


## node/core/src/home/lag.rs

encode-channels-that-are-behind = encode channels that are behind: { $error }

## node/core/src/home/mod.rs

is-a-home-already-use-another = { $home } is a home already; use another folder, or edit its chuan.toml
is-there-it-is-not-lost = { $home } is there: it is not lost, and `chuan rotate` replaces it
says-that-this-is-node-give = { $home } says that this is node { $home2 }; give that
no-home-at-make-one-with = no home at { $home }; make one with `chuan init`, or give another one with the option `home`
is-a-home-without-its-chuan = { $home } is a home without its chuan.toml, and has { $names }; put chuan.toml back from a backup, or write it anew with the lines `name = "NAME"` and `role = "ROLE"` (origin, mirror or edge)
the-key-of-the-node-is-not-there = the key of the node, { $path }, is not there: put it back, or make the home anew in another folder with `chuan home restore FILE`; without a backup, `chuan init` with the option `renew NODE` makes another key for the node with this id, which an operator must bind
is-not-a-node-id-put = { $node_id_path } is not a node id; put it back from a backup
replace = replace { $node_key_path }
no-home-give-one-with-the = no home; give one with the option `home` or CHUAN_HOME
every-user-may-write-in-mode = every user may write in { $root } (mode { $mode }), so others could replace the keys of a home there; run `chmod o-w { $root2 }`, or choose another folder

## node/core/src/home/moving.rs

copying-files-bytes-to-another-file = copying { $files } files, { $bytes } bytes, to another file system
the-home-at-has-moved-to = the home at { $root } has moved to { $to }
is-an-unfinished-copy-of-the = { $root } is an unfinished copy of the home at { $from }; `chuan home move` there, to the same folder, finishes the move; if that home is gone and this copy is complete, remove { $root }/{ $moving }
is-a-link-to-move-that = { $from } is a link to { $target }; move that folder with the option `home`, then change the link
is-a-relative-link-to-which = { $path } is a relative link to { $target }, which would lead elsewhere from the new folder; make it an absolute link
the-folder-of-does-not-exist = the folder of { $to } does not exist; make it first
lies-in-the-home-itself-choose = { $to } lies in the home itself; choose another folder
rename-to = rename { $from } to { $to }
rename = rename { $from }
the-home-at-has-moved-to-name = the home at { $from } has moved to { $named }; name that folder to remove what is left of the old one
the-home-at-has-moved-to-and = the home at { $from } has moved to { $named }, and that is not there now; mount its disk
remove-the-content-of = remove the content of { $folder }
the-home-has-bytes-and-has = the home has { $bytes } bytes, and { $to } has { $free } free; the home is where it was
copy-to = copy { $from } to { $to }
compare-with = compare { $new } with { $old }
differs-from-after-it-was-copied = { $new } differs from { $old } after it was copied: one of the disks is failing; the home is where it was

## node/core/src/home/owner.rs

belongs-to-user-and-this-process = { $root } belongs to user { $user }, and this process cannot act as that user ({ $error }): files of root would make the home unusable for its owner; run the command as that user

## node/core/src/home/peers.rs

several-peers-match-name-one-by = several peers match `{ $who }`; name one by its id: { $ids }
mend-it-or-delete-it-and = { $peers_path }: { $error }; mend it, or delete it and name peers by address

## node/core/src/home/refusals.rs

encode-refusals = encode refusals: { $error }

## node/core/src/key_file/mod.rs

that-is-not-the-passphrase-of = that is not the passphrase of { $path }
needs-2-of-scrypt-work-and = { $path } needs 2^{ $required } of scrypt work, and the maximum is 2^{ $work_max }; decrypt it with `age` and encrypt it again with less
is-not-encrypted-with-a-passphrase = { $path } is not encrypted with a passphrase
cannot-encrypt = cannot encrypt { $path }: { $error }
can-be-read-by-others-if = { $path } can be read by others; if it was not, `chmod 600 { $path }`, else replace the key
is-not-a-chuan-secret-key = { $path } is not a chuan secret key; put it back from a backup

## node/core/src/key_file/passphrase.rs

passphrase-of = passphrase of { $path }:{" "}
new-passphrase-for = new passphrase for { $path }:{" "}
an-empty-passphrase-protects-nothing-give = an empty passphrase protects nothing; give another one
the-same-again = the same again:{" "}
the-two-passphrases-differ-nothing-was = the two passphrases differ; nothing was written
a-passphrase-is-needed-and-there = a passphrase is needed, and there is no terminal to ask for it; set { $variable }
is-not-utf-8-type-the = { $variable } is not UTF-8; type the passphrase instead

## node/core/src/library/channels.rs

none-yet = none yet
has-no-channel-known-here = { $library } has no channel `{ $name }` (known here: { $all })

## node/core/src/library/load.rs

a-statement-of-it-does-not = a statement of it does not parse: { $error }

## node/core/src/library/lost.rs

mended = { $found }; mended
the-ledger-has-lost-chuan-pull = the ledger has lost { $place }; `chuan pull` asks peers for it; for a library that no other node has, a publish with the option `force` goes on without it
library-is-left-out-chuan-pull = library { $library } is left out: { $reason }; `chuan pull { $library }` asks peers
of-library-points-to-release-which = { $channel } of library { $at } points to release { $at2 }, which is not known here; `chuan pull` asks peers for it
continues-without-the-records-of-that = continues without the records of { $library } that the ledger has lost
a-member-that-knows-a-lost = { $what }; a member that knows a lost release refuses one that contradicts it
the-ledger-has-lost-records-and = the ledger has lost records, and a statement that is signed now may contradict one that was signed before; `chuan pull` with the option `from HOST:PORT` gets the records from a mirror, and a publish with the option `force` goes on without them

## node/core/src/library/members.rs

no-member-of-chuan-members-lists = no member `{ $text }` of { $library }; `chuan members` lists them, and a new node is named by its id
several-members-match-name-one-by = several members match `{ $text }`; name one by its id

## node/core/src/library/mod.rs

its-root-is-lost = its root is lost
no-library-here-known-join-it = no library `{ $name }` here (known: { $known }); join it with a ticket, or found it with `chuan publish`
no-library-here-yet-join-one = no library here yet; join one with a ticket, or `chuan publish` one
several-libraries-are-here-name-one = several libraries are here; name one of { $names }
another-command-signed-for-the-library = another command signed for the library at the same time, or this home is behind; pull, and run it again

## node/core/src/library/names.rs

are-called = are called
have-an-id-that-begins-with = have an id that begins with
several-libraries-name-one-by-its = several libraries { $how } `{ $name }`; name one by its id, or by the beginning of its id: { $which }
no-keys-here = no keys here
keys-here = keys here: { $roles }
founded-utc = { $library } ({ $releases }, founded { $founded } UTC, { $keys })

## node/core/src/library/release.rs

nothing-of-is-here-yet-chuan = nothing of { $library }@{ $name } is here yet; `chuan pull { $library }`{ $how }
has-no-release-here-chuan-releases = { $name } has no release { $id } here; `chuan releases { $name }` lists them
classes-not-granted-to-this-node = {" "}(classes not granted to this node: { $absent })
no-file-in-chuan-ls-lists = no file `{ $path }` in { $asked }{ $elsewhere }; `chuan ls { $asked }` lists them
may-have-been-out-of-date = may have been out of date for { $age_ms } s
is-of-unknown-age = is of unknown age
and-class-allows-s-max-stale = { $library }@{ $channel } { $since }, and class `{ $class }` allows { $allowed } s (max_stale): `chuan pull { $library }` from a node that a timekeeper reaches, or name the release, { $library }@{ $sequence }
with-the-option-channel = {" "}with the option `channel { $channel }`
nothing-of-is-here-yet-chuan-pull = nothing of { $library } is here yet; `chuan pull { $library }`
has-no-release-or-channel-here = { $library } has no release or channel `{ $name }` here; `chuan releases { $library }` lists them
several-releases-match-name-one-by = several releases match; name one by its id: { $ids }

## node/core/src/peers/address.rs

is-not-an-address-to-listen = `{ $text }` is not an address to listen on; write IP:PORT, such as 0.0.0.0:4040 or [::]:4040

## node/core/src/peers/mod.rs

no-source-of-is-known-name = no source of { $library } is known; name one with the option `from HOST:PORT`, or join with a ticket from a node that has it
no-peer-is-known-chuan-status = no peer `{ $text }` is known; `chuan status` lists them, or give an address as HOST:PORT

## node/core/src/publish/classes.rs

a-tree-of-no-class-in = a tree of no class, in slot { $slot }
the-signing-publisher-keys-cover-no = the signing publisher keys cover no class of the library, or are too few: name a class with the option `policy`, or more keys with the option `key`
the-parent-release-does-not-list = the parent release does not list its classes by name, which a limited publisher needs: let a publisher of all classes publish once
the-paths-of-class-are-defined = the paths of class `{ $class }` are defined in a release that is not held here, by a publisher of all classes: define them with the option `policy`, or first pull a channel that points to that release
class-8 = class `{ $name }`
of-the-parent-release-is-not = { $class } of the parent release is not here, and this publisher's key covers it: `chuan pull { $library }` first; if that does not fetch it, let an operator grant it to this node
this-publisher-s-key-does-not = this publisher's key does not cover class `{ $name }`: leave it out of the policy; it stays as it is
a-library-has-at-most-classes-former = a library has at most { $classes } classes, former classes included

## node/core/src/publish/mod.rs

left-for-chuan-policy-set-which = left for `chuan policy set { $library }`, which operators sign: { $left }
the-room-of-this-publish-is = the room of this publish is not given back: { $failure }; the next publish continues from what is stored
a-publish-names-no-publisher = a publish names no publisher

## node/core/src/publish/staleness_guard.rs

none-of-the-known-peers-of = none of the { $known } known peers of { $name } can be reached, and this machine has no record that this home has all that its key has signed: it may be restored from a backup, or a copy; try again when a peer can be reached, or publish with the option `force`
none-of-the-known-peers-of-can = none of the { $known } known peers of { $name } can be reached; this home has all that its key has signed on this machine, and publishes
release-of-is-not-here-and = release { $announced } of { $name } is not here, and no node that answered the last pull has it; if it is lost, an operator moves the channel to the newest release that is here: `chuan channel set { $name } { $live } { $here }` with the option `follow` and the option `yes`; then publish
this-home-is-behind-the-known = this home is behind the known releases of { $name }; was it restored from a backup? `chuan pull { $name }`, then publish

## node/core/src/pull/answer.rs

this-node-is-granted-only-if = ; this node is granted only `{ $named }`: if the release has no such class, an operator changes that with `chuan grant`

## node/core/src/pull/mod.rs

no-release-of-is-here-and = no release of { $library_name } is here, and the nodes that answered have none either
a-pull-ended-without-a-release = a pull ended without a release

## node/core/src/pull/progress.rs


## node/core/src/pull/seek.rs

asking-it-again-for-up-to = { $busy }: asking it again for up to { $left } s

## node/cli/src/confirm.rs

the-same-command-with-dry-run = the same command with `--dry-run`
chuan-root-show-revocations-end-with = `chuan root show { $file }` ({ $ended } revocations end with it, and it takes away: { $value })
chuan-sign-show = `chuan sign { $file } --show` ({ $taken })

## node/cli/src/key.rs

the-file-name-is-not-utf = the file name { $path } is not UTF-8; choose another

## node/cli/src/limits.rs

start-threads-raise-the-limit-of = start threads; raise the limit of this process (ulimit -u, ulimit -v)

## node/cli/src/main.rs

start-threads = start threads

## node/cli/src/output.rs

write-to-standard-output = write to standard output

## node/cli/src/sign.rs

no-new-signature-in-the-copy = no new signature in the copy
added-one-signature = added one signature
added-signatures = added { $new } signatures
which-key-name-its-file-with = which key? name its file with --key or CHUAN_KEY
key-has-signed-already = key { $key } has signed already
write-an-answer = write an answer
no-terminal-to-ask-on-look = no terminal to ask on; look at { $look }, compare the fingerprint, and give --yes
ask-on-the-terminal = ask on the terminal
nothing-was-changed = nothing was changed

## node/cli/src/signals.rs

catch-signals = catch signals

## node/cli/src/ticket.rs

no-ticket-is-given-pipe-it = no ticket is given; pipe it into `chuan join -`, name its file with --ticket-file, or set { $variable }
this-is-not-a-ticket-it = this is not a ticket: it is not text
read-the-ticket = read the ticket

## node/cli/src/root/mod.rs

this-command-needs-a-home = this command needs a home
has-the-revocations-that-do-not = { $beside } has the revocations that do not fit into the root: keep it beside { $file }, `root apply` needs it
has-no-root = { $file } has no root
one-signature-of-the-earlier-proposal = one signature of the earlier proposal is invalid now: sign again
signatures-of-the-earlier-proposal-are = { $void } signatures of the earlier proposal are invalid now: sign again

## node/cli/src/root/pins.rs

the-members-tickets-channels-policy-and = the members, tickets, channels, policy and revocations
the-releases-and-channels = the releases and channels
that-key-signed-would-become-ineffective = { $what } that key { $key } signed would become ineffective; keep them with --statements FILE, a file of `chuan statements export`, or give --drop
has-the-statements-of-library-not = { $path } has the statements of library { $bundle }, not of { $draft }
statements-would-have-to-be-pinned = { $all } statements would have to be pinned, at most { $pins } can be; let another key sign some of them anew first

## node/cli/src/root/words.rs

founds-the-library = founds the library { $new }
renames-the-library-from-to = renames the library from { $old } to { $new }
no-longer-pins-of-the-statements = no longer pins { $fewer } of the statements that were pinned before
pins-revocations-by-key-in-a = pins revocations by key { $key } in a list, { $list }
to-be-renewed-by = to be renewed by: { $before } -> { $expiry }
adds-key-fingerprint = adds { $what } key { $key }{ $scope }, fingerprint { $key2 }
removes-key = removes { $what } key { $key }{ $scope }
threshold = { $what } threshold{ $scope }: { $before } -> { $after }
threshold-7 = { $what } threshold{ $scope }: { $after }
removes-the-role-it-has-no = removes the { $what } role{ $scope }: it has no key left
for-class = {" "}for class { $one }
for-classes = {" "}for classes { $names }

found-the-library = found the library { $v1 }?
no-library-is-known-here-this-home = no library { $v1 } is known here; this home has { $v2 }
file-or-folder = file or folder
files-or-folders = files or folders
note-gave-of-root-in-to-the = note: gave { $v1 } of root in { $v2 } to the owner of the home
write-the-help = write the help
not-pinned-are-earlier-moves-of-channels = not pinned are earlier moves of channels and superseded grants: `chuan history` marks such moves
pins-one-statement-which-stays-effective-without = pins one statement, which stays effective without its signer's key; { $v1 }
pins-statements-which-stay-effective-without-their = pins { $v1 } statements, which stay effective without their signers' keys; { $v2 }
is-no-longer-in-the-effective-history = `{ $v1 }` is no longer in the effective history of { $v2 }: the root no longer names the operator of that move; `chuan channel set { $v3 } { $v4 } { $v5 }` moves it there
is-revoked-since-utc-admit-it-again = { $v1 } is revoked since { $v2 } UTC; admit it again with `chuan grant { $v3 }` with the option `library { $v4 }` and the option `all-classes` (or some classes)
channel-leaves-which-does-not-contain = channel { $v1 } leaves { $w_kind } { $v3 }, which { $v4 } does not contain
channel-would-have-no-release-any-more = channel { $v1 } would have no release any more
this-takes-rights-from = this takes rights from { $v1 }
look-at-it-with-the-option-and = { $v1 }; look at it with the option `dry-run`, and confirm it with the option `yes`
no-library-is-known-here-this-home-2 = no library { $v1 } is known here; this home has { $v2 }. If the name is right, give the option `found` to found another library
the-keys-of-are-in-only-copies = the keys of { $v1 } are in { $v2 } only: `chuan home backup FILE` copies them to another disk
has-nothing-to-publish-give-the-option = { $v1 } has nothing to publish; give the option `allow-empty` to found an empty library { $v2 }
the-key-of-this-node-was-replaced = the key of this node was replaced, and a ticket admits a new node under its first key only; on a machine with an operator key of { $v1 }, `chuan grant { $v2 }` with the option `library { $v3 }`, the option `node-key { $v4 }` and the option `all-classes` (or some classes), and `chuan statements export { $v5 } FILE` there; here `chuan statements import FILE` and `chuan pull { $v6 }` with the option `from HOST:PORT`
the-ticket-has-no-address-at-which = the ticket has no address at which a node can be reached; ask for a new one: `chuan invite` with the option `address HOST:PORT`
the-index-was-rebuilt-damaged = the index was rebuilt; { $v1 } damaged
the-disk-of-is-full = the disk of { $v1 } is full
the-disk-of-is-read-only = the disk of { $v1 } is read-only
waiting-for-no-answer-yet = waiting for { $v1 }: no answer yet
look-at-belongs-to-user = look at { $v1 } ({ $v2 } belongs to user { $v3 })
run-the-command-as-that-user-or = { $v1 }; run the command as that user, or as root
or-chuan-listen-listen-is-not-an = { $v1 } (or CHUAN_LISTEN): listen: `{ $v2 }` is not an address to listen on; write IP:PORT, such as 0.0.0.0:4040 or [::]:4040
has-other-files-such-as-a-home = { $v1 } has other files, such as `{ $v2 }`: a home is a folder of its own; use an empty or a new folder, such as { $v3 }
is-a-link-and-its-target-is = { $v1 } is a link, and its target is not there now; mount its disk, or correct the link
is-not-a-folder-give-the-folder = { $v1 } is not a folder; give the folder of a home with the option `home`
belongs-to-root-run-as-root = { $path } belongs to root: run `chuan status` as root, which gives the files of root in the home to its owner
belongs-to-user-give-it = { $path } belongs to user { $user }: give it to the owner of the home with `chown`
give-the-files-of-root-in-to = give the files of root in { $v1 } to user { $v2 }
is-a-link-which-is-not-followed = { $v1 } is a link, which is not followed; remove it, and it is made again
is-not-used-give-it-and-the = { $v1 } is not used: { $v2 }; give it and the rest of { $v3 } to one user with `chown`, or remove it
no-class-of-release-of-is-granted = no class of release { $v1 } of { $v2 } is granted to this node, or none was pulled; `chuan pull { $v3 }@{ $v4 }` fetches the granted ones
release-of-is-not-held-here-fetches = release { $v1 } of { $v2 } is not held here; `chuan pull { $v3 }@{ $v4 }` fetches it
encode-the-answers-of-peers = encode the answers of peers: { $v1 }
encode-silent-peers = encode silent peers: { $v1 }
no-file-is-in-class-none-matches = no file is in class `{ $v1 }`: none matches its `paths`
the-data-of-release-is-not-held = the data of release { $v1 } is not held here any more, and with it the paths of the classes of { $v2 }: give them with the option `policy`
the-data-of-release-is-not-held-2 = the data of release { $v1 } is not here: `chuan pull { $v2 }` fetches it from another member, then publish; the option `force` publishes without it, and reads everything again
the-data-of-release-is-not-held-3 = the data of release { $v1 } is not held here any more: everything is read again, and is in the class `default` unless the option `policy` gives other classes
the-library-has-in-a-folder-name = the library has { $v1 } in a folder: name the path of the file in the library with the option { $v2 }, or with the option `as { $v3 }` for the top
is-a-folder-which-becomes-the-content = { $v1 } is a folder, which becomes the content of the library; the option `as` is for a single file
no-peer-of-is-known-and-this = no peer of { $v1 } is known, and this user has no record here of what its key has signed: if another home publishes with this key, the two contradict each other
the-publisher-s-key-of-this-home = the publisher's key of this home has signed other releases of { $v1 } on this machine than this home has: it is a copy of another home, or restored from a backup; publish from the other home, or bring its statements here (`chuan statements import`); the option `force` publishes anyway, and contradicts them
a-dial-failed = a dial failed: { $v1 }
a-source-that-answered-has-no-connection = a source that answered has no connection
a-source-that-is-not-in-the = a source that is not in the order was dialled
no-answer-yet-from = no answer yet from { $v1 }
no-answer-before-another-node-answered = no answer before another node answered
no-answer-from-asking = no answer from { $v1 }: asking { $v2 }
channel-moves-from-release-to-which-does = channel { $v1 } moves from release { $v2 } to { $v3 }, which does not contain it
