### The sentences of the crate `chuan-engine` about statements, as they are in the code, with names for the variables.


## engine/src/statement/access.rs

the-peer-s-key-was-replaced = the peer's key was replaced
the-peer-is-not-a-member = the peer is not a member of the library
not-granted-to-the-peer = not granted to the peer

## engine/src/statement/amend.rs

key-has-that-role-already = key { $key } has that { $kind } role already
key-has-no-such-role = key { $key } has no such { $kind } role
the-role-needs-keys-and-would = the { $kind } role needs { $threshold } keys and would have { $role }; add a key first, or lower it with `chuan root set-threshold`
no-key-has-that-role-add = no key has that { $kind } role; add one first
is-not-a-role-use-root = `{ $text }` is not a role; use root, operator, publisher or timekeeper

## engine/src/statement/author.rs

release-is-not-held-here-pull = release { $parent } is not held here; pull the library first
channel-is-not-known-here-pull = channel { $channel } is not known here; pull the library first

## engine/src/statement/bundle.rs

bundle-of-statements = bundle of statements
more-than-bytes = more than { $bundle_bytes } bytes
it-does-not-begin-with-chbd = it does not begin with "CHBD"
unknown-version-a-newer-chuan-wrote = unknown version: a newer chuan wrote this
statements-at-most-are-allowed = { $count } statements; at most { $bundle_statements } are allowed
statements-of-bytes-are-more-than = { $count } statements of { $out } bytes are more than a bundle holds
malformed-bundle-of-statements-is-of = malformed bundle of statements: { $statement } { $statement2 } is of library { $statement3 }, not of { $library }
malformed-bundle-of-statements-a-statement = malformed bundle of statements: a statement is listed twice

## engine/src/statement/channel.rs

the-channel-name = the channel name

## engine/src/statement/checkpoint.rs

a-checkpoint-of-no-record = a checkpoint of no record

## engine/src/statement/draft.rs

there-is-no-root-chuan-root = there is no root; `chuan root init` makes the first
file-of-roots = file of roots
it-does-not-begin-with-chrd = it does not begin with "CHRD"
roots-at-most-are-allowed = { $count } roots; at most { $draft_roots } are allowed
there-is-no-root-in-it = there is no root in it
the-library-has-had-too-many = the library has had too many roots for one file
key-is-a-root-key-neither = key { $public } is a root key neither of this proposal nor of the root before it
that-file-is-of-library-this = that file is of library { $other }, this one of { $library }
that-file-goes-on-from-root = that file goes on from root version { $other }, this one from { $roots }; only versions that follow each other go together
that-file-proposes-nothing = that file proposes nothing
that-file-proposes-another-root-than = that file proposes another root ({ $theirs }) than this one ({ $ours }); agree on one of them
nothing-is-proposed-change-something-first = nothing is proposed; change something first, as with `chuan root add-key`
a-statement-in-it-is-not = a statement in it is not a root
its-roots-are-of-several-libraries = its roots are of several libraries
the-proposal-does-not-follow-from = the proposal does not follow from its last root
a-signature-in-it-is-not = a signature in it is not by a root key
the-proposed-root-is-too-large = the proposed root is too large
proposed-root = proposed root
the-proposal-is-not-a-root = the proposal is not a root
signatures-of-a-statement = signatures of a statement
its-roots-do-not-follow-each = its roots do not follow each other
root-version-is-not-signed-by = root version { $version } is not signed by enough keys
malformed-file-of-roots = malformed file of roots: { $why }

## engine/src/statement/envelope.rs

malformed-statement-bytes-at-most-are = malformed statement: { $bytes } bytes; at most { $statement_bytes } are allowed
malformed-statement-it-carries-no-signature = malformed statement: it carries no signature
is-not-signed-by-enough-of = { $kind } { $id } is not signed by enough of its own keys
the-signature-of-key-does-not = the signature of key { $key } does not verify on { $kind } { $id }: it was altered on the way
the-signatures-of-a-statement = the signatures of a statement
it-does-not-begin-with-chst = it does not begin with "CHST"
chuan-0-1-0-wrote-it = chuan 0.1.0 wrote it, whose libraries this version does not read: found the library anew
unknown-version-a-newer-chuan-wrote-this = unknown version { $version }: a newer chuan wrote this
unknown-flags-a-newer-chuan-wrote = unknown flags { $flags }: a newer chuan wrote this
malformed-statement = malformed statement: { $why }
its-sequence-is-out-of-range = its sequence is out of range
its-time-is-before-1970 = its time is before 1970
a-root-s-sequence-must-be = a root's sequence must be its version
a-first-root-and-only-it = a first root, and only it, names no library
a-checkpoint-s-sequence-must-be = a checkpoint's sequence must be its count
it-names-no-library = it names no library

## engine/src/statement/key.rs

encodes-no-point-of-the-curve = encodes no point of the curve
is-not-in-canonical-form = is not in canonical form
has-small-order-so-anything-would = has small order, so anything would verify under it
the-signature-of-key-does-not-verify = the signature of key { $short } does not verify
a-public-key = a public key { $why }
is-not-a-key-of-64 = `{ $text }` is not a key of 64 hexadecimal digits

## engine/src/statement/key_chains.rs

the-old-key-is-not-known = the old key is not known as one of the node's
key-of-node-has-two-successors = key { $next } of node { $next2 } has two successors already; no further one is kept
the-old-key-descends-from-a = the old key descends from a disputed key
node-has-had-keys-since-an = node { $next } has had { $successions } keys since an operator bound one; ask an operator to bind its current key

## engine/src/statement/library.rs

a-newer-or-an-equivalent-statement = a newer or an equivalent statement is known, or the root no longer names its key
the-first-root-of-library-is = the first root of library { $id } is not held here; join it again with a ticket
is-of-library-not-of = { $statement } { $statement2 } is of library { $statement3 }, not of { $id }
another-root-has-its-version = another root has its version
its-publisher-may-not-change-all = its publisher may not change all that it changes
the-channel-has-a-newer-statement = the channel has a newer statement already; pull the library and try again
its-release-is-not-known-yet = its release is not known yet
its-signer-does-not-move-the = its signer does not move the channel; an operator can switch to it
its-signer-is-no-longer-an = its signer is no longer an operator
it-has-a-critical-field-that = it has a critical field that this chuan does not know; update it
a-newer-policy-is-effective-or = a newer policy is effective, or its signers are no longer operators
a-newer-operator-statement-is-effective = a newer operator statement is effective, or its ticket is used up
a-newer-operator-statement-is-effective-2 = a newer operator statement is effective, or its signer is no longer an operator
the-signer-of-its-ticket-is = the signer of its ticket is no longer an operator
the-node-that-admitted-it-was = the node that admitted it was revoked
the-key-has-another-successor = the key has another successor
its-signer-is-no-longer-an-operator = its signer is no longer an operator, and the root does not pin it
has-contradicting-statements = { $subject } has contradicting statements: { $conflict }

## engine/src/statement/limited.rs

in-slot = in slot { $slot }
release-of-is-refused-in-it = release { $said } of { $name } is refused: in it class { $found } gains { $found2 }, which is in class { $found3 }, and its publisher's key is not for that class; an operator can move the channel to another release, or a publisher of all classes publish anew

## engine/src/statement/member.rs

unknown-node-role-a-newer-chuan = unknown node role { $tag }: a newer chuan wrote this
is-not-a-role-use-origin = `{ $text }` is not a role; use origin, mirror or edge
the-node-name = the node name
a-membership-cannot-end-before-1970 = a membership cannot end before 1970

## engine/src/statement/mod.rs

unknown-kind-of-statement-a-newer = unknown kind of statement { $tag }{ $name }: a newer chuan wrote this

## engine/src/statement/policy.rs

excludes-of-a-policy = excludes of a policy
fields-of-a-policy = fields of a policy
no-class-can-have-slot = no class can have slot { $slot }
bytes-of-a-policy = bytes of a policy
row-of-a-policy = row of a policy
regions-of-a-class = regions of a class
the-regions-of-a-class = the regions of a class
a-row-of-a-policy-sets = a row of a policy sets nothing; leave it out
unknown-mirror-type-a-newer-chuan = unknown mirror type { $tag }: a newer chuan wrote this
it-is-not-in-canonical-form = it is not in canonical form
a-policy-s-unknown-fields = a policy's unknown fields { $why }
must-ascend-by-number-each-once = must ascend by number, each once
must-have-numbers-that-this-version = must have numbers that this version does not know
the-exclude-must-have-1-to = the exclude `{ $shown }` must have 1 to { $class_pattern_bytes } bytes without control characters
the-exclude-names-a-path-and = the exclude `{ $shown }` names a path, and all members read the policy: exclude by name (`cache/`, `*.part`), or write the path in a `.chuanignore` file in the folder

## engine/src/statement/publishing.rs

no-key-to-sign-with = no key to sign with

## engine/src/statement/query.rs

this-node-does-not-know-the = this node does not know the ticket; ask for a new one with `chuan invite`
the-node-was-revoked-an-operator = the node was revoked; an operator can grant it access again
this-node-may-not-redeem-the = this node may not redeem the ticket; join through one that the ticket names
this-node-s-own-membership-has = this node's own membership has ended, so it redeems no ticket; join through another node that the ticket names
the-ticket-has-expired-ask-for = the ticket has expired; ask for a new one with `chuan invite`
the-ticket-was-used-already-ask = the ticket was used already; ask for a new one with `chuan invite`

## engine/src/statement/region.rs

the-region = the region
the-region-is-longer-than-bytes = the region `{ $text }` is longer than { $region_bytes } bytes
the-region-has-upper-case-letters = the region `{ $text }` has upper-case letters; write `{ $to_lowercase }`

## engine/src/statement/release.rs

parents-of-a-release = parents of a release
the-parents-of-a-release = the parents of a release
a-release-s-message-is-limited = a release's message is limited to { $message_bytes } bytes
a-release-s-message-must-not = a release's message must not contain control characters
classes-of-a-release = classes of a release
a-release-lists-a-class-by = a release lists a class by a name that no class may have
a-release-lists-class-twice = a release lists class `{ $class }` twice
the-classes-that-a-release-lists = the classes that a release lists are not those of its manifest
an-empty-list-of-classes-is = an empty list of classes is left out

## engine/src/statement/request.rs

request-file = request file
it-does-not-begin-with-chrq = it does not begin with "CHRQ"
statements-in-a-request-file = statements in a request file
requested-act = requested act
the-statements-in-it-are-not = the statements in it are not those that prove the act, in their order
bytes-of-a-request-file = bytes of a request file
the-request-is-older-than-days = the request is older than { $request_ms } days; make it anew, by what is known today
key-is-no-operator-key-of = key { $public } is no operator key of { $library } ({ $library2 })
that-file-asks-for-another-act = that file asks for another act ({ $other }) than this one ({ $id })
is-no-act-of-operators = { $proposed } is no act of operators
the-act-is-too-large = the act is too large
the-root-of-names-no-operator = the root of { $library } names no operator
the-signature-of-key-does-not-verify-on = the signature of key { $key } does not verify on this act: the file was altered; take another copy
a-signature-in-it-is-not-by = a signature in it is not by an operator key
the-first-root-of-its-library = the first root of its library is not in it
malformed-request-file = malformed request file: { $why }

## engine/src/statement/revoke.rs

a-revocation-must-leave-a-sequence = a revocation must leave a sequence for what follows it
the-reason-of-a-revocation-is = the reason of a revocation is one line of at most { $reason_bytes } bytes

## engine/src/statement/root.rs

pins-of-a-root = pins of a root
an-empty-list-of-pins-is = an empty list of pins is left out
the-library-name = the library name
the-roles-of-a-root = the roles of a root
the-pins-of-a-root = the pins of a root
lists-of-pins-of-a-root = lists of pins of a root
the-lists-of-pins-of-a = the lists of pins of a root
a-root-s-version-and-times = a root's version and times start above zero
a-root-must-name-the-keys = a root must name the keys that sign the next root
unknown-role-a-newer-chuan-wrote = unknown role { $tag }: a newer chuan wrote this
keys-of-a-role = keys of a role
the-keys-of-a-role = the keys of a role
the-role-wants-of-keys = the { $kind } role wants { $threshold } of { $keys } keys
the-role-cannot-be-limited-to = the { $kind } role cannot be limited to classes, only a publisher's can; leave the classes out

## engine/src/statement/scope.rs

class-patterns = class patterns
class-pattern-must-have-1-to = class pattern `{ $pattern }` must have 1 to { $class_name_bytes } bytes without white space
a-grant-without-a-verb-grants = a grant without a verb grants nothing

## engine/src/statement/set.rs

key-has-made-statements-of-bytes = key { $key } has made { $kind } statements of { $statement_bytes_per_key } bytes, and no more are taken; replace the key
key-has-made-statements-and-no = key { $key } has made { $most } { $kind } statements, and no more are taken; replace the key
ticket-was-used-by-nodes-which = ticket { $ticket } was used by { $nodes } nodes, which is proof enough that it was copied
the-library-s-first-root-is = the library's first root is not known yet
a-list-of-pins-is-signed = a list of pins is signed by the one key that it names
no-known-root-names-the-list = no known root names the list of pins
channel-is-not-known = channel { $channel } is not known
a-succession-must-be-signed-with = a succession must be signed with the old and the new key, and no other
its-key-is-not-known-as = its key is not known as one of the node's
it-is-signed-by-too-few = it is signed by too few { $role } keys that a known root names
it-is-signed-by-key-which = it is signed by key { $key }, which no known root names as { $role }'s
root-version-is-not-signed-by-enough = root version { $version } is not signed by enough of its own keys
root-version-is-not-known-yet = root version { $before } is not known yet
root-version-is-not-signed-by-enough-keys = root version { $version } is not signed by enough keys of version { $before }
root-version-is-effective-and-one = root version { $version } is effective and one contradicting root is kept as proof already; no further one is kept
member-its-key-is-not-its = member { $member }: its key is not its node's first
ticket-is-not-known-yet = ticket { $ticket } is not known yet
the-member-statement-was-made-after = the member statement was made after its ticket had expired
the-member-statement-is-signed-by = the member statement is signed by no redeemer of its ticket

## engine/src/statement/succession.rs

a-key-cannot-succeed-itself = a key cannot succeed itself
an-old-key-stays-good-for = an old key stays good for at most { $n_days } days

## engine/src/statement/ticket.rs

ask-for-a-new-one-with = { $error }; ask for a new one with `chuan invite`
the-ticket-expired-ago-ask-for = the ticket expired { $ago } ago; ask for a new one with `chuan invite`
unknown-version-a-newer-chuan-made = unknown version { $version }: a newer chuan made it
malformed-ticket = malformed ticket: { $why }
redeemers-of-a-ticket = redeemers of a ticket
the-redeemers-of-a-ticket = the redeemers of a ticket
it-names-no-node-that-may = it names no node that may redeem it
an-address-is-listed-twice = an address is listed twice
its-root-version-and-expiry-start = its root version and expiry start above zero
the-ticket-s-key-is-not = the ticket's key is not the one that its statement names, so someone changed the ticket; ask for a new one with `chuan invite`
the-ticket-is-damaged-or-cut = the ticket is damaged or cut short; copy the whole line again, or ask for a new one with `chuan invite`
the-ticket-was-made-by-a = the ticket was made by a newer chuan; install that version, or ask for a ticket made with yours
this-is-not-a-ticket-which = this is not a ticket, which begins with `{ $prefix }`; ask for one with `chuan invite`
min = { $minutes } min
hours = { $minutes } hours
days = { $minutes } days

## engine/src/statement/state/channel.rs

channel-at-sequence = channel { $name } at sequence { $sequence }

## engine/src/statement/state/conflict.rs

two-roots-of-one-version-a = two roots of one version: a root key is in wrong hands; the one known first is effective, and the next root replaces the keys
the-publisher-s-key-is-in = the publisher's key is in two homes, or its home was restored from a backup; `chuan pull` there before publishing
one-key-moved-the-channel-to = one key moved the channel to two places; it stays until an operator moves it (`chuan channel set`)
two-operators-moved-the-channel-at = two operators moved the channel at once; the later one is effective
two-policies-were-set-at-once = two policies were set at once, and the one before them stays effective; agree on one and set it (`chuan policy set`)
more-nodes-joined-with-the-ticket = more nodes joined with the ticket than it is for; grant those that should belong, revoke the others
two-keys-claim-to-succeed-the = two keys claim to succeed the node's; bind the right one by a grant with the option `node-key`
the-node-s-home-was-cloned = the node's home was cloned, or restored from a backup; run one of them only, the other with a home of its own

## engine/src/statement/state/mod.rs

root-version = root version { $version }

## engine/src/statement/state/node.rs

ticket-for-with-nodes = ticket { $ticket } for { $uses } with { $nodes } nodes
node = node { $node }

## engine/src/statement/state/policy.rs

policy-at-sequence = policy at sequence { $sequence }

## engine/src/statement/state/release.rs

release-of-publisher = release { $sequence } of publisher { $signer }

the-library-has-roots-and-no-more = the library has { $v1 } roots, and no more are taken; found a new library
the-library-has-channels-and-no-more = the library has { $channels } channels, and no more are taken; use one of them, or found a new library
statements-other-than-roots-and-revocations = statements other than roots and revocations
the-library-has-bytes-of-at-most = the library has { $v1 } bytes of { $v2 }, at most { $v3 } are taken, and { $v4 } { $v5 } would exceed that; remove the key that made most of them from the root and restart the node, or found a new library
