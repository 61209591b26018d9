### The sentences of the crate `chuan-engine` about statements in Chinese, by the ids of `../en/statements.ftl`.


## engine/src/statement/access.rs

the-peer-s-key-was-replaced = 对方节点的密钥已更换
the-peer-is-not-a-member = 对方节点不是这个库的成员
not-granted-to-the-peer = 未授权给对方节点

## engine/src/statement/amend.rs

key-has-that-role-already = 密钥 { $key } 已经担任 { $kind } 角色
key-has-no-such-role = 密钥 { $key } 没有担任这个 { $kind } 角色
the-role-needs-keys-and-would = { $kind } 角色需要 { $threshold } 把密钥，这样就只有 { $role } 把；请先加一把，或用 `chuan root set-threshold` 调低门限
no-key-has-that-role-add = 没有密钥担任这个 { $kind } 角色；请先加一把
is-not-a-role-use-root = `{ $text }` 不是角色；请用 root、operator、publisher 或 timekeeper

## engine/src/statement/author.rs

release-is-not-held-here-pull = 本地没有版本 { $parent }；请先拉取该库
channel-is-not-known-here-pull = 本地不知道频道 { $channel }；请先拉取该库

## engine/src/statement/bundle.rs

bundle-of-statements = 声明包
more-than-bytes = 超过 { $bundle_bytes } 字节
it-does-not-begin-with-chbd = 它不以“CHBD”开头
unknown-version-a-newer-chuan-wrote = 版本未知：由更新版本的 chuan 写成
statements-at-most-are-allowed = { $count } 条声明；最多 { $bundle_statements } 条
statements-of-bytes-are-more-than = { $count } 条声明共 { $out } 字节，超过声明包的上限
malformed-bundle-of-statements-is-of = 声明包有误：{ $statement } { $statement2 } 属于库 { $statement3 }，而不是 { $library }
malformed-bundle-of-statements-a-statement = 声明包有误：一条声明列了两次

## engine/src/statement/channel.rs

the-channel-name = 频道名

## engine/src/statement/checkpoint.rs

a-checkpoint-of-no-record = 不含任何记录的检查点

## engine/src/statement/draft.rs

there-is-no-root-chuan-root = 没有根；用 `chuan root init` 建立第一个
file-of-roots = 根文件
it-does-not-begin-with-chrd = 它不以“CHRD”开头
roots-at-most-are-allowed = { $count } 个根；最多 { $draft_roots } 个
there-is-no-root-in-it = 其中没有根
the-library-has-had-too-many = 这个库的根太多，一个文件放不下
key-is-a-root-key-neither = 密钥 { $public } 既不是这个提议的根密钥，也不是前一个根的
that-file-is-of-library-this = 那个文件属于库 { $other }，这个属于 { $library }
that-file-goes-on-from-root = 那个文件从根版本 { $other } 接着写，这个从 { $roots }；只有版本相连的才能合并
that-file-proposes-nothing = 那个文件没有提议
that-file-proposes-another-root-than = 那个文件提议的根（{ $theirs }）与这个（{ $ours }）不同；请先商定用哪一个
nothing-is-proposed-change-something-first = 没有提议；请先作更改，例如用 `chuan root add-key`
a-statement-in-it-is-not = 其中一条声明不是根
its-roots-are-of-several-libraries = 其中的根属于几个库
the-proposal-does-not-follow-from = 提议不接续它的最后一个根
a-signature-in-it-is-not = 其中一个签名不是根密钥所签
the-proposed-root-is-too-large = 提议的根太大
proposed-root = 提议的根
the-proposal-is-not-a-root = 提议不是根
signatures-of-a-statement = 声明的签名
its-roots-do-not-follow-each = 其中的根彼此不相连
root-version-is-not-signed-by = 根版本 { $version } 的签名不够数
malformed-file-of-roots = 根文件有误：{ $why }

## engine/src/statement/envelope.rs

malformed-statement-bytes-at-most-are = 声明有误：{ $bytes } 字节；最多 { $statement_bytes }
malformed-statement-it-carries-no-signature = 声明有误：没有签名
is-not-signed-by-enough-of = { $kind } { $id } 自己的密钥签名不够数
the-signature-of-key-does-not = 密钥 { $key } 在 { $kind } { $id } 上的签名验证不通过：它在途中被改动
the-signatures-of-a-statement = 声明的各个签名
it-does-not-begin-with-chst = 它不以“CHST”开头
chuan-0-1-0-wrote-it = 它由 chuan 0.1.0 写成，本版读不了那时的库：请重新建库
unknown-version-a-newer-chuan-wrote-this = 版本 { $version } 未知：由更新版本的 chuan 写成
unknown-flags-a-newer-chuan-wrote = 标志 { $flags } 未知：由更新版本的 chuan 写成
malformed-statement = 声明有误：{ $why }
its-sequence-is-out-of-range = 它的序号超出范围
its-time-is-before-1970 = 它的时间早于 1970 年
a-root-s-sequence-must-be = 根的序号必须就是它的版本
a-first-root-and-only-it = 只有第一个根不写库
a-checkpoint-s-sequence-must-be = 检查点的序号必须就是它的条数
it-names-no-library = 它没有写库

## engine/src/statement/key.rs

encodes-no-point-of-the-curve = 不是曲线上的点
is-not-in-canonical-form = 不是规范形式
has-small-order-so-anything-would = 阶太小，任何签名都会通过验证
the-signature-of-key-does-not-verify = 密钥 { $short } 的签名验证不通过
a-public-key = 公钥{ $why }
is-not-a-key-of-64 = `{ $text }` 不是密钥：应为 64 位十六进制数

## engine/src/statement/key_chains.rs

the-old-key-is-not-known = 旧密钥不是已知的该节点密钥
key-of-node-has-two-successors = 节点 { $next2 } 的密钥 { $next } 已有两个继任密钥；不再保存更多
the-old-key-descends-from-a = 旧密钥出自有争议的密钥
node-has-had-keys-since-an = 自操作员绑定密钥以来，节点 { $next } 已用过 { $successions } 把密钥；请操作员绑定它现在的密钥

## engine/src/statement/library.rs

a-newer-or-an-equivalent-statement = 已知更新的或等同的声明，或者根不再列有它的密钥
the-first-root-of-library-is = 本地没有库 { $id } 的第一个根；请用票据重新加入
is-of-library-not-of = { $statement } { $statement2 } 属于库 { $statement3 }，而不是 { $id }
another-root-has-its-version = 另一个根占有它的版本
its-publisher-may-not-change-all = 它的发布者无权作它的全部改动
the-channel-has-a-newer-statement = 频道已有更新的声明；请拉取该库，再试一次
its-release-is-not-known-yet = 还不知道它所指的发布版本
its-signer-does-not-move-the = 它的签名者不移动这个频道；操作员可以切换到它
its-signer-is-no-longer-an = 它的签名者不再是操作员
it-has-a-critical-field-that = 它有一个本版 chuan 不认识的关键字段；请升级
a-newer-policy-is-effective-or = 有更新的策略生效，或者它的签名者不再是操作员
a-newer-operator-statement-is-effective = 有更新的操作员声明生效，或者它的票据已用完
a-newer-operator-statement-is-effective-2 = 有更新的操作员声明生效，或者它的签名者已不是操作员
the-signer-of-its-ticket-is = 它的票据的签名者已不是操作员
the-node-that-admitted-it-was = 接纳它的节点已被吊销
the-key-has-another-successor = 这把密钥另有继任密钥
its-signer-is-no-longer-an-operator = 它的签名者不再是操作员，而根没有钉住它
has-contradicting-statements = { $subject } 有互相矛盾的声明：{ $conflict }

## engine/src/statement/limited.rs

in-slot = 槽位 { $slot }
release-of-is-refused-in-it = 拒绝 { $name } 的版本 { $said }：其中类别 { $found } 多出了 { $found2 }，而它属于类别 { $found3 }，发布者的密钥管不到该类别；请操作员把频道移到别的版本，或由管全部类别的发布者重新发布

## engine/src/statement/member.rs

unknown-node-role-a-newer-chuan = 节点角色 { $tag } 未知：由更新版本的 chuan 写成
is-not-a-role-use-origin = `{ $text }` 不是角色；请用 origin、mirror 或 edge
the-node-name = 节点名
a-membership-cannot-end-before-1970 = 成员资格不能在 1970 年之前终止

## engine/src/statement/mod.rs

unknown-kind-of-statement-a-newer = 声明种类 { $tag }{ $name } 未知：由更新版本的 chuan 写成

## engine/src/statement/policy.rs

excludes-of-a-policy = 策略的排除模式
fields-of-a-policy = 策略的字段
no-class-can-have-slot = 没有类别可以占槽位 { $slot }
bytes-of-a-policy = 策略的字节
row-of-a-policy = 策略的一行
regions-of-a-class = 类别的地区
the-regions-of-a-class = 类别的各个地区
a-row-of-a-policy-sets = 策略有一行什么也没有设置；请去掉它
unknown-mirror-type-a-newer-chuan = 镜像类型 { $tag } 未知：由更新版本的 chuan 写成
it-is-not-in-canonical-form = 它不是规范形式
a-policy-s-unknown-fields = 策略的未知字段{ $why }
must-ascend-by-number-each-once = 必须按编号升序排列，不得重复
must-have-numbers-that-this-version = 必须使用本版不认识的编号
the-exclude-must-have-1-to = 排除模式 `{ $shown }` 必须为 1 到 { $class_pattern_bytes } 字节，不含控制字符
the-exclude-names-a-path-and = 排除模式 `{ $shown }` 写了路径，而所有成员都能读到策略：请按名字排除（`cache/`、`*.part`），或把路径写进目录里的 `.chuanignore` 文件

## engine/src/statement/publishing.rs

no-key-to-sign-with = 没有可用来签名的密钥

## engine/src/statement/query.rs

this-node-does-not-know-the = 本节点不知道这张票据；请用 `chuan invite` 索取新的
the-node-was-revoked-an-operator = 该节点已被吊销；操作员可以重新授权
this-node-may-not-redeem-the = 本节点不能兑换这张票据；请经由票据所列的节点加入
this-node-s-own-membership-has = 本节点自己的成员资格已终止，不能兑换票据；请经由票据所列的另一个节点加入
the-ticket-has-expired-ask-for = 票据已过期；请用 `chuan invite` 索取新的
the-ticket-was-used-already-ask = 票据已用过；请用 `chuan invite` 索取新的

## engine/src/statement/region.rs

the-region = 地区
the-region-is-longer-than-bytes = 地区 `{ $text }` 超过 { $region_bytes } 字节
the-region-has-upper-case-letters = 地区 `{ $text }` 含大写字母；请写 `{ $to_lowercase }`

## engine/src/statement/release.rs

parents-of-a-release = 发布版本的父版本
the-parents-of-a-release = 发布版本的各个父版本
a-release-s-message-is-limited = 发布版本的说明不得超过 { $message_bytes } 字节
a-release-s-message-must-not = 发布版本的说明不得含控制字符
classes-of-a-release = 发布版本的类别
a-release-lists-a-class-by = 发布版本所列的一个类别名不合规则
a-release-lists-class-twice = 发布版本把类别 `{ $class }` 列了两次
the-classes-that-a-release-lists = 发布版本所列的类别与它的清单不符
an-empty-list-of-classes-is = 空的类别列表应当省略

## engine/src/statement/request.rs

request-file = 请求文件
it-does-not-begin-with-chrq = 它不以“CHRQ”开头
statements-in-a-request-file = 请求文件中的声明
requested-act = 所请求的操作
the-statements-in-it-are-not = 其中的声明不是按顺序证明这一操作的那些
bytes-of-a-request-file = 请求文件的字节
the-request-is-older-than-days = 请求已超过 { $request_ms } 天；请按今天所知重新制作
key-is-no-operator-key-of = 密钥 { $public } 不是 { $library }（{ $library2 }）的操作员密钥
that-file-asks-for-another-act = 那个文件请求的操作（{ $other }）与这个（{ $id }）不同
is-no-act-of-operators = { $proposed } 不是操作员的操作
the-act-is-too-large = 操作太大
the-root-of-names-no-operator = { $library } 的根没有列出操作员
the-signature-of-key-does-not-verify-on = 密钥 { $key } 在这一操作上的签名验证不通过：文件被改动；请取另一份副本
a-signature-in-it-is-not-by = 其中一个签名不是操作员密钥所签
the-first-root-of-its-library = 其中没有该库的第一个根
malformed-request-file = 请求文件有误：{ $why }

## engine/src/statement/revoke.rs

a-revocation-must-leave-a-sequence = 吊销必须给后续声明留下序号
the-reason-of-a-revocation-is = 吊销的原因须为一行，不超过 { $reason_bytes } 字节

## engine/src/statement/root.rs

pins-of-a-root = 根的钉住项
an-empty-list-of-pins-is = 空的钉住列表应当省略
the-library-name = 库名
the-roles-of-a-root = 根的角色
the-pins-of-a-root = 根的各个钉住项
lists-of-pins-of-a-root = 根的钉住清单
the-lists-of-pins-of-a = 根的各份钉住清单
a-root-s-version-and-times = 根的版本和时间都须大于零
a-root-must-name-the-keys = 根必须列出签署下一个根的密钥
unknown-role-a-newer-chuan-wrote = 角色 { $tag } 未知：由更新版本的 chuan 写成
keys-of-a-role = 角色的密钥
the-keys-of-a-role = 角色的各把密钥
the-role-wants-of-keys = { $kind } 角色要求 { $keys } 把密钥中的 { $threshold } 把
the-role-cannot-be-limited-to = { $kind } 角色不能限制在某些类别，只有发布者可以；请不要写类别

## engine/src/statement/scope.rs

class-patterns = 类别模式
class-pattern-must-have-1-to = 类别模式 `{ $pattern }` 必须为 1 到 { $class_name_bytes } 字节，不含空白
a-grant-without-a-verb-grants = 没有权限的授权不起作用

## engine/src/statement/set.rs

key-has-made-statements-of-bytes = 密钥 { $key } 已签了 { $statement_bytes_per_key } 字节的 { $kind } 声明，不再接受更多；请更换密钥
key-has-made-statements-and-no = 密钥 { $key } 已签了 { $most } 条 { $kind } 声明，不再接受更多；请更换密钥
ticket-was-used-by-nodes-which = 票据 { $ticket } 已有 { $nodes } 个节点用过，足以证明它被复制
the-library-s-first-root-is = 还不知道该库的第一个根
a-list-of-pins-is-signed = 钉住清单须由它所写的那一把密钥签名
no-known-root-names-the-list = 没有已知的根列有这份钉住清单
channel-is-not-known = 不知道频道 { $channel }
a-succession-must-be-signed-with = 继任声明必须由且只由新旧两把密钥签名
its-key-is-not-known-as = 它的密钥不是已知的该节点密钥
it-is-signed-by-too-few = 签名的 { $role } 密钥中，列在已知的根里的太少
it-is-signed-by-key-which = 它由密钥 { $key } 签名，而没有已知的根把它列为 { $role }
root-version-is-not-signed-by-enough = 根版本 { $version } 自己的密钥签名不够数
root-version-is-not-known-yet = 还不知道根版本 { $before }
root-version-is-not-signed-by-enough-keys = 根版本 { $version } 没有足够的版本 { $before } 的密钥签名
root-version-is-effective-and-one = 根版本 { $version } 已生效，并已保存一个与它矛盾的根作为证据；不再保存更多
member-its-key-is-not-its = 成员 { $member }：它的密钥不是该节点的第一把
ticket-is-not-known-yet = 还不知道票据 { $ticket }
the-member-statement-was-made-after = 成员声明是在票据过期之后作出的
the-member-statement-is-signed-by = 成员声明没有票据的兑换节点签名

## engine/src/statement/succession.rs

a-key-cannot-succeed-itself = 密钥不能继任自己
an-old-key-stays-good-for = 旧密钥最多再有效 { $n_days } 天

## engine/src/statement/ticket.rs

ask-for-a-new-one-with = { $error }；请用 `chuan invite` 索取新的
the-ticket-expired-ago-ask-for = 票据已过期 { $ago }；请用 `chuan invite` 索取新的
unknown-version-a-newer-chuan-made = 版本 { $version } 未知：由更新版本的 chuan 制作
malformed-ticket = 票据有误：{ $why }
redeemers-of-a-ticket = 票据的兑换节点
the-redeemers-of-a-ticket = 票据的各个兑换节点
it-names-no-node-that-may = 它没有写明可以兑换它的节点
an-address-is-listed-twice = 一个地址列了两次
its-root-version-and-expiry-start = 它的根版本和期限都须大于零
the-ticket-s-key-is-not = 票据的密钥与它的声明所写的不同，说明票据被改动过；请用 `chuan invite` 索取新的
the-ticket-is-damaged-or-cut = 票据已损坏或不完整；请重新复制整行，或用 `chuan invite` 索取新的
the-ticket-was-made-by-a = 这张票据由更新版本的 chuan 制作；请安装那个版本，或索取用你的版本制作的票据
this-is-not-a-ticket-which = 这不是票据，票据以 `{ $prefix }` 开头；请用 `chuan invite` 索取
min = { $minutes } 分钟
hours = { $minutes } 小时
days = { $minutes } 天

## engine/src/statement/state/channel.rs

channel-at-sequence = 频道 { $name }，序号 { $sequence }

## engine/src/statement/state/conflict.rs

two-roots-of-one-version-a = 同一版本有两个根：有根密钥落入他人之手；先得知的一个有效，请用下一个根更换密钥
the-publisher-s-key-is-in = 发布者的密钥在两个主目录里，或者它的主目录是从备份恢复的；请先在那里执行 `chuan pull` 再发布
one-key-moved-the-channel-to = 一把密钥把频道移到了两处；在操作员移动它之前（`chuan channel set`），频道不动
two-operators-moved-the-channel-at = 两位操作员同时移动了频道；后一个有效
two-policies-were-set-at-once = 同时设置了两份策略，仍用它们之前的那一份；请商定一份再设置（`chuan policy set`）
more-nodes-joined-with-the-ticket = 凭这张票据加入的节点超过了它的名额；请授权应当保留的，吊销其余的
two-keys-claim-to-succeed-the = 有两把密钥都自称继任该节点的密钥；请用授权和 --node-key 绑定正确的一把
the-node-s-home-was-cloned = 该节点的主目录被复制过，或是从备份恢复的；只运行其中一个，另一个请另建主目录

## engine/src/statement/state/mod.rs

root-version = 根版本 { $version }

## engine/src/statement/state/node.rs

ticket-for-with-nodes = 票据 { $ticket }，名额 { $uses }，已有 { $nodes } 个节点
node = 节点 { $node }

## engine/src/statement/state/policy.rs

policy-at-sequence = 策略，序号 { $sequence }

## engine/src/statement/state/release.rs

release-of-publisher = 发布者 { $signer } 的版本 { $sequence }

the-library-has-roots-and-no-more = 库已有 { $v1 } 个根，不再接受更多；请新建一个库
the-library-has-channels-and-no-more = 库已有 { $channels } 个频道，不再接受更多；请使用其中之一，或新建一个库
statements-other-than-roots-and-revocations = 根和吊销之外的声明
the-library-has-bytes-of-at-most = 库中{ $v2 }已有 { $v1 } 字节，最多接受 { $v3 } 字节，再加 { $v4 } { $v5 } 就会超出；请从根中去掉产生最多的那把密钥并重启节点，或新建一个库
