### The sentences of the crates `chuan`, `chuan-api` and `chuan-cli` in Chinese, by the ids of `../en/core.ftl`.


## node/api/src/command.rs

resolve = 解析 { $path }
the-path-is-not-utf-8 = 路径 { $path } 不是 UTF-8；请改名，或通过另一个名字的链接访问
invalid-duration-write-90s-15m-12h = 时长 `{ $text }` 无效；请写 90s、15m、12h 或 7d

## node/api/src/exit.rs

interrupted-run-the-command-again-to = 已中断；再执行同一条命令即可接着做

## node/api/src/spec.rs

is-no-name-use-1-to = `{ $name }` 不能用作{ $w_what }名；请用 1 到 { $name_bytes } 字节的字母、数字、`-`、`_` 和 `.`，以字母或数字开头
a-channel-could-not-be-told = 频道 `{ $name }` 会与编号或标识相同的发布版本混淆；请用含有 0-9 和 a-f 以外字符的名字
could-be-the-beginning-of-an = `{ $name }` 可能是某个标识的开头，不能用作{ $w_what }名；请加上 0-9 和 a-f 以外的字符

## node/api/src/command/range.rs

range-is-outside-the-file-of = 范围 { $range } 超出文件的 { $size } 字节
invalid-byte-range-write-0-99 = 字节范围 `{ $text }` 无效；请写 0-99、100- 或 -100

## node/api/src/command/signed.rs

invalid-verb-use-pull-or-watch = 权限 `{ $text }` 无效；请用 pull 或 watch

## node/api/src/command/statements.rs

a-statement-is-not-in-base64 = 声明不是 base64

## node/core/src/file.rs

is-not-a-regular-file-remove = { $path } 不是普通文件；请移走它，并从备份放回文件
has-more-than-bytes = { $path } 超过 { $max } 字节
write = 写 { $path }
is-there-already-choose-another-name = { $path } 已存在；请换一个名字
remove = 删除 { $path }

## node/core/src/keyring.rs

the-root-of-library-is-not = 本地不知道库 { $library } 的根
holds = { $path } 中是 { $public }
this-command-needs-the-key-of = 这条命令需要 { $library } 的 { $role } 密钥（{ $wanted }）；{ $seen }；请用 --key 或 CHUAN_KEY 给出正确的密钥
no-key-is-given-name-its = 没有给出密钥；请用 --key 或 CHUAN_KEY 指明密钥文件
this-home-has-no-key-of = 本主目录没有 { $library } 的 { $role } 密钥（{ $wanted }）；请用 --key 或 CHUAN_KEY 给出密钥文件，或在有 { $file_name } 的地方执行
the-root-names-none = 根没有列出任何密钥

## node/core/src/ledger.rs

does-not-exist-keep-the-other = { $from } 不存在；请保留另一份文件
this-makes-both-files-again-from = 这会由 { $from }（记录 { $first } 至 { $last }）重建两份文件，而不用另一份（记录 { $first2 } 至 { $last2 }）；请用 --dry-run 查看，用 --yes 确认

## node/core/src/net_error.rs

on-utc = （{ $at_ms } UTC）
an-operator-of-the-library-revoked = 库的操作员吊销了本节点{ $at }；票据不能重新接纳它：请操作员用 `chuan grant` 重新授权

## node/core/src/open_home.rs

the-home-is-being-closed-try = 主目录正在关闭；请再试一次
the-home-was-moved-deleted-or = 主目录 { $home } 已被移动、删除或替换，或者它所在的磁盘已被取走，本进程不再写入；请用主目录现在所在的文件夹重新启动
the-home-takes-no-writes-so = 主目录无法写入，所以这个进程只读取：{ $why }

## node/core/src/policy.rs

how-class-is-kept = 类别 `{ $class }` 如何保存
the-paths-of-class = 类别 `{ $class }` 的路径
is-not-utf-8-text = { $path } 不是 UTF-8 文本
it-has-no-class-no-excludes = 其中没有 [[class]]，也没有 excludes 和 junk
a-library-has-at-most-classes-7 = 一个库最多有 { $classes } 个类别
class-is-there-twice = 类别 `{ $class }` 出现了两次
excludes = excludes：{ $error }
use-1-to-64-bytes-of = 请用 1 到 64 字节的可见字符，不含空白和 `*?[]{ $text },/`
priority-use-1-to-255-a = priority：请用 1 到 255；大的优先
regions = regions：{ $error }

## node/core/src/redeem.rs

the-name-could-be-the-beginning = 名字 `{ $join }` 可能是某个标识的开头；请修改 chuan.toml 中的 `name`，再加入一次
with-ticket = { $join }，票据 { $ticket }
the-node-cannot-redeem-a-ticket = 该节点此刻不能兑换票据

## node/core/src/report.rs

skipped = 已跳过：{ $path }（{ $w_why }）

## node/core/src/rotation.rs

key = { $id }：密钥 { $new }

## node/core/src/serve.rs

the-node-is-closed-open-the = 节点已关闭；请重新打开主目录
this-node-listens-on-already = 本节点已在 { $address } 上监听
another-program-listens-on-udp-already = 另一个程序已在监听 UDP { $address }；请结束它，或用 --listen 或 `chuan.toml` 里的 `listen` 换一个地址
no-keying-material = 没有密钥材料

## node/core/src/services.rs

waiting-for-another-publish-or-pull = 等待 { $library } 的另一个发布或拉取结束

## node/core/src/session.rs

a-command-failed = 一条命令失败：{ $error }
unexpected-response-from-the-running-node = 正在运行的节点作出意外的应答（版本不同？）
is-served-already-by-process = { $home } 已由进程 { $pid } 提供服务
is-in-use-by-process-serve = { $home } 正被 `{ $doing }` 使用（进程 { $pid }）；请等它结束再启动服务
is-locked-by-a-process-that = { $home } 被一个不作应答的进程锁住；它若已卡死，请结束它再试

## node/core/src/signed_record.rs

encode-what-was-signed-here = 编码签署记录：{ $error }

## node/core/src/transfer.rs

the-revocation-of-node-by-key = 密钥 { $by } 对节点 { $node } 的吊销失效：{ $reason }
node-is-no-member-any-more = 节点 { $name } { $node } 不再是成员
node-loses-rights = 节点 { $name } { $node } 失去部分权限
channel-has-no-release-any-more = 频道 { $name } 不再有发布版本；它现在指向版本 { $before }
has-no-lists-of-pins-of = { $beside } 没有库 { $library } 的钉住清单；请把正确的文件放在 { $path } 旁边
the-root-that-proposes-is-not = { $path } 所提议的根签名不够数（{ $waiting } 可以签名）；请执行 `chuan root sign { $path }`

## node/core/src/admin/client.rs

cannot-encode-the-command = 无法编码命令：{ $error }
the-running-node-refuses-the-command = 正在运行的节点拒绝这条命令（{ $status }：{ $from_utf8_lossy }）；是另一个版本的 chuan 吗？
the-process-that-held-the-home = 占用主目录的进程在命令完成之前结束；请再执行一次
cannot-form-a-request = 无法构成请求：{ $error }
the-running-node-sends-a-line = 正在运行的节点发来的一行太长
unexpected-response-from-the-running-node-another = 正在运行的节点作出意外的应答（{ $error }）；是另一个版本的 chuan 吗？

## node/core/src/admin/server.rs

command-failed = 命令失败：{ $error }
cannot-encode-the-answer = 无法编码结果：{ $error }

## node/core/src/admin/socket.rs

listen-on = 在 { $run_dir } 上监听
connect-to = 连接 { $run_dir }
user-is-not-the-home-s = 用户 { $peer } 不是主目录的用户

## node/core/src/audit/own_checkpoints.rs

a-checkpoint-of-this-node-names = 本节点的一个检查点所写的记录 { $fork } 与日志中的不同：本主目录是从备份恢复的，或是一份副本
the-checkpoint-is-of-node-this = 检查点属于节点 { $theirs }；这是节点 { $mine }
the-checkpoint-is-signed-by-key = 检查点由密钥 { $key } 签名，它不是本节点的密钥
no-checkpoint-of-is-known-here = 本地不知道 `{ $node }` 的检查点；`chuan members` 列出库的成员

## node/core/src/audit/task.rs

more-contradictions-than-are-recorded-here = 矛盾多于这里所记录的；`chuan conflicts` 列出它们
set-aside-as-damaged-things-that = 作为已损坏而弃置：{ $set_aside } 项已存的数据
stored-again-things-that-had-been = 重新存入：{ $mended } 项曾经损坏的数据

## node/core/src/audit_log/failed.rs

many-other-places = 许多其他地方
from = { $kind }，来自 { $place }

## node/core/src/audit_log/files.rs

repair = 修复 { $path }
run-chuan-audit-verify-for-details = { $path }：{ $message }；详情见 `chuan audit verify`

## node/core/src/audit_log/line.rs

invalid-ending-of-a-record = 记录的结尾 `{ $other }` 无效
unknown-role = 角色 `{ $role }` 未知

## node/core/src/audit_log/log.rs

bytes-at-the-end = 末尾 { $torn } 字节
records-that-could-not-be-written = 未能写入的记录
the-audit-log-is-not-open = 审计日志没有打开
append-to = 追加到 { $files }
sync-the-audit-log = 把审计日志落盘
the-file-is-missing = 文件 { $files } 缺失
the-file-is-not-the-next = 文件 { $name } 不是下一个
is-cut-short = { $files } 不完整
was-altered-at-record-see-chuan = { $dir } 在记录 { $at } 处被改动：{ $why }；请看 `chuan audit verify`，保存一份副本，并把该目录移走以开始新日志
the-audit-log-cannot-be-written = 审计日志写不进去，所以什么也没有做：{ $why }

## node/core/src/audit_log/verify.rs

is-not-a-checkpoint = { $path } 不是检查点
no-export-is-named-give-one = 没有指明导出的文件；请用 --export 给出
the-line-is-not-a-record = 这一行不是记录：{ $why }
the-record-has-another-id-than = 记录的标识与这一行所写的不同
the-log-continues-from-a-checkpoint = 日志从密钥 { $key } 签名的检查点接着写，而它不是该节点的密钥

## node/core/src/authority/channel.rs

already-points-to-the-same-release = { $to } 已经指向与 { $from } 相同的版本
has-no-earlier-release-chuan-channel = { $channel } 没有更早的版本；`chuan channel set` 可以把它移到任何版本
already-points-to = { $channel } 已经指向 `{ $text }`
never-pointed-to-chuan-history-with = { $channel } 从未指向 `{ $text }`；`chuan history { $library } --channel { $channel }` 列出它指向过的版本，`chuan channel set` 可以把它移到任何版本
a-channel-that-was-just-moved = 刚移动的频道不见了
another-statement-about-was-signed-at = 同时签署了关于 { $name } 的另一条声明，生效的是那一条；请看 `chuan history { $library_name } --channel { $name }` 和 `chuan conflicts { $library_name }`，再执行一次
is-not-a-release-of = `{ $text }` 不是 { $library } 的发布版本
matches-no-publisher-of-or-several = `{ $text }` 与 { $library } 的任何发布者都不符，或与几个相符；它的发布者有 { $all }
no-signer-of-the-release-is = 签署该版本的密钥现在都不是发布者；请用 --publisher 指定一个

## node/core/src/authority/classes.rs

has-no-class-known-here-if = { $library } 没有类别 `{ $unknown }`（本地已知：{ $known }）；如果以后的发布会建立它，请用 --new-class

## node/core/src/authority/grant.rs

another-operator-signed-a-statement-about = 另一位操作员同时签署了关于该节点的声明，生效的是那一条；请看 `chuan members`，再执行一次
is-the-node-of-this-home = { $node } 是本主目录的节点，它将被关在 { $library } 之外，同时还有 { $preview }；如果确实要这样，请用 --this-node
other-node = 其他节点
another-operator-keeps-granting-the-node = 另一位操作员一直在授权该节点；请与对方商定，再执行一次
no-classes-are-given-name-them = 没有给出类别；请用 --class 指明，或用 --all-classes 给出全部：授权没有默认的类别
the-time-of-the-option-expires = --expires 的时间太长；不写它，成员资格就没有期限
has-no-key-now-and-had = 现在没有密钥，而且用过第一把以外的密钥
is-new-here = 在这里是新节点
node-give-the-key-that-chuan = 节点 { $node } { $why }；请用 --node-key 给出 `chuan id` 在那里打印的密钥

## node/core/src/authority/invite.rs

a-ticket-that-waits-for-signatures = 等待签名的票据需要 --request
no-address-for-the-ticket-run = 没有可写进票据的地址；请运行 `chuan serve`，在 chuan.toml 中设置 `announce`，或用 --address 给出
the-ticket-would-never-expire-give = 票据将永不过期；请用 --expires 给出较短的时间

## node/core/src/authority/policy.rs

setting-a-policy-needs-a-key = 设置策略需要密钥
has-no-policy-every-class-keeps = { $library } 没有策略：每个类别全部保留；用 `chuan policy set { $library } FILE` 设置
no-class-of-is-known-here = 本地不知道 { $library } 的类别 `{ $class }`（已知：{ $value }）；请用 `chuan publish --policy` 建立它，或在有它的节点上执行
class-has-a-max-stale-and = 类别 `{ $name }` 有 max_stale，而根没有列出为新鲜度签名的时间见证者；请先用 `chuan root add-key FILE timekeeper KEY` 加上，再签名和应用
class-wants-and-may-have-it = 类别 `{ $name }` 要求 { $counted_as }，而可以有它的只有 { $copies }（只计源站和镜像）；请用 `chuan grant` 授权更多节点
whole-copy = 个完整副本
whole-copies = 个完整副本
class-wants-fewer-copies-than-it = 类别 `{ $name }` 要求的副本数少于它所列的地区数
no-origin-or-mirror-that-may = 可以有类别 `{ $name }` 的源站和镜像，没有一个绑定到地区 { $region }；请用 --region { $region } 授权一个节点
class-mirrors-look-for-a-release = 类别 `{ $name }`：镜像查看新版本的间隔（every）比 rpo 所允许的长
region-has-half-of-all-bound = 地区 { $region } 占了已绑定节点的一半或更多：失去它，其余的就不是多数；请在别的地区绑定节点

## node/core/src/authority/preview.rs

and-more = ，另有 { $more } 个

## node/core/src/authority/publish.rs

a-publish-was-not-tried = 没有尝试发布
to-make-this-home-a-member = 要让本主目录成为成员，需要{ $lacks }；请用 --key 指明每个密钥文件
no-library-here-join-it-with = 本地没有库 { $name }；请用票据加入
no-library-here-chuan-found-file = 本地没有库 { $name }；`chuan found FILE` 用你自己的密钥建库，不用 --key 则在这里生成它的密钥
the-channel-moved-while-the-files = 读取文件期间频道移动了；请再执行一次
this-node-was-revoked-an-operator = 本节点已被吊销（{ $reason }）；操作员可以用 `chuan grant { $node }` 重新接纳它，旧密钥若被盗则用新密钥
a-keyring-found-no-key = 密钥环中没有找到密钥

## node/core/src/authority/request.rs

this-needs-write-it-to-a = 这需要{ $lacks }；请用 --request FILE 写成文件，再请其他操作员执行 `chuan sign FILE`
of-the-operator-keys-of-and = { $library } 的 { $role } 把操作员密钥中的 { $threshold } 把，而可用的有 { $signers } 把
the-request-is-for-library-which = 请求属于库 { $request }（{ $request2 }），本主目录不知道这个库；请在知道它的主目录上应用，或先加入该库
it-was-signed-with-keys-that = 签名的密钥已不再有效：请重新制作请求
could-sign-chuan-sign = { $waiting } 可以签名（`chuan sign { $path }`）
the-request-has-of-signatures = 请求已有 { $have } 个签名，需要 { $need } 个；{ $remedy }
the-act-contradicts-a-statement-that = 这一操作与请求制作之后签署的声明矛盾；请重新制作请求
the-act-is-not-effective-if = 这一操作没有生效：{ $why }；如果其间签署了更新的声明，请重新制作请求
this-home-knew-it-already = 本主目录早已知道它

## node/core/src/authority/words.rs

none-given = 没有给出
revokes-node = 吊销节点 { $name } { $node }
reason = 原因：{ $reason }
ends-every-grant-of-it-so = 终止至今给它的一切授权，以及凭它加入的节点的成员资格
slot = 槽位 { $slot }
a-statement = { $other } 声明
makes-node-a-member-as = 让节点 { $body } { $node } 成为成员，角色 { $body2 }
it-proves-key = 它用密钥 { $key } 证明自己
may-in = 权限 { $verbs }，{ $classes }
region = 地区：{ $region }
until = 期限：{ $value }
no-end = 没有期限
before-as-may-in-region-key = 此前：名字 { $before }，角色 { $before2 }，权限 { $before3 }，{ $classes }，地区 { $region }，密钥 { $value }
the-same = 不变
before-it-was-revoked = 此前：它已被吊销
before-it-had-lost-its-membership = 此前：它已失去成员资格：{ $why }
before-not-a-member-as-far = 此前：就请求所知，不是成员
mirror-or-edge = mirror 或 edge
a-ticket-for-until-utc = 一张供 { $terms }使用的票据，有效期至 { $terms2 } UTC
they-may-in-as = 它们的权限 { $terms }，{ $classes }，角色 { $role }
redeemed-by = 可以兑换它的节点：{ $redeemers }
ticket-key = 票据密钥 { $key }
release-7 = 版本 { $said } { $id }
new-releases-are-current-at-once = 新的版本立即成为当前版本
it-stays-on-this-release = 它停留在这个版本
moves-channel-to = 把频道 { $body } 移到{ $named }
its-active-publisher-is = 它的当前发布者是 { $active }；{ $follow }
before-publisher = 此前：{ $named }，发布者 { $value }；{ $follow }
before-no-such-channel-as-far = 此前：就请求所知，没有这个频道
known-junk = 已知的系统垃圾文件：{ $value }
left-out = 不发布
class-7 = 类别 { $slot }：{ $row }
class-no-row-any-more-it = 类别 { $slot }：不再有设置；全部保留
fields-that-this-chuan-does-not = 本版 chuan 不认识的 { $after } 个字段
changes-nothing = 不改变任何东西
mirrors = { $w_mirror }镜像
looked-for-every = 每 { $span } 查看一次新版本
priority = 优先级 { $priority }
whole-within-of-a-release = 发布之后 { $span } 内取齐
out-of-reach-for-at-most = 最多 { $span } 无法访问
copies-behind-by-at-most = 副本最多落后 { $span }
viewers-at-once = 同时 { $viewers } 位观众
whole-copies-7 = { $replicas } 个完整副本
copies-in = 副本在 { $regions }
everything-is-kept = 全部保留
the-newest-versions-are-kept = 保留最新的 { $releases } 个版本
versions-are-kept-for = 版本保留 { $span }
the-newest-versions-and-those-of = 保留最新的 { $releases } 个版本，以及 { $span } 之内的版本
not-read-by-a-channel-s = 旧于 { $span } 时不按频道名读取
all-classes = 全部类别
classes = 类别 { $patterns }

## node/core/src/commands/audit.rs

no-record-the-log-has-numbered = 没有记录 { $record }：日志共 { $count }，从 0 编号
is-a-link-or-no-regular = { $path } 是链接或不是普通文件；请指定别的文件，不指定则写到标准输出
cannot-encode-a-record = 无法编码记录：{ $error }

## node/core/src/commands/join.rs

the-ticket-has-no-address = 票据中没有地址
through-as = 经由 { $redeemer }，角色 { $role }
this-node-knows-that-its-membership = 本节点知道自己的成员资格已终止；请操作员重新授权
the-answer-to-the-ticket-is = 对票据的应答不完整：{ $error }
the-answer-to-the-ticket-does = 对票据的应答没有让本节点成为成员；请索取新的票据

## node/core/src/commands/maintain.rs

verify-found-damaged-and-missing = 校验发现 { $corrupt } 处损坏，缺少 { $missing }
valid-records-are-not-in-the = { $unindexed } 条有效的记录不在索引里；请执行 `chuan rebuild`
it-does-no-harm = { $file } 偏移 { $offset } 处：{ $what }；无妨
class-header-is-not-held = { $context }：缺少类别头 { $commitment }
page-is-not-held = { $context }：缺少页 { $page }
chunk-bytes-is-not-held = { $context }：缺少数据块 { $chunk }（{ $chunk2 } 字节）
class-is-not-whole = { $context }：类别 { $header } 不完整

## node/core/src/commands/mod.rs

status-is-answered-by-the-process = status 由占用主目录的进程应答

## node/core/src/commands/restore.rs

the-option-delete-would-remove-the = --delete 会删除类别 `{ $classes_stale }` 的文件，而这个类别因频道比它所允许的更旧而略去；要还原并删除，请指定版本 { $library }@{ $sequence }
the-option-delete-would-remove-the-2 = --delete 会删除类别 `{ $class }` 的文件，例如 { $path }：这个类别以前授权给过本节点，而本地没有它在这个版本中的内容；请手工删除这些文件，或还原时不加这个选项
not-restored = 未还原：{ $failed }：{ $reason }
is-not-a-folder-choose-another = { $dest } 不是目录；请换一个名字
the-home-of-a-node-nothing = { $dest } { $w_how }节点的主目录 { $home }：不会还原到密钥和存储之上；请换一个目录
lies-in = 位于
is-a-part-of = 属于
lies-in-a-part-of = 所在的部分属于

## node/core/src/commands/status.rs

one-lost-or-stolen-key-decides = 丢失或被盗一把密钥就能决定一切：见 docs/trust.zh-CN.md
the-root-should-have-been-renewed = 根应在 { $days }之前续期；一切照常

## node/core/src/commands/diff.rs

are-of-two-libraries-and-only = { $v1 } 与 { $v2 } 属于两个库，只能比较同一个库的发布版本

## node/core/src/context/store.rs

this-node-keeps-its-content-in = 本节点把内容放在内存里

## node/core/src/exchange/mod.rs

the-ledger-has-lost-records-asking = 账本有丢失的记录：正在向其他节点索取
is-not-a-member-of-under = { $link } 以它现在的密钥不是 { $known } 的成员，得不到声明

## node/core/src/exchange/scheduler.rs

the-exchange-took-too-long = 交换用时太长
the-node-is-being-closed = 节点正在关闭

## node/core/src/handle/act.rs

this-act-has-no-preview-it = 这一操作没有预览：它不收回任何东西
this-act-has-no-request-file = 这一操作不能写成请求文件

## node/core/src/handle/answers.rs

a-release-of-is-announced-and = 已宣布 { $library }@{ $channel } 的一个发布版本，而应答的节点都还没有它

## node/core/src/handle/audit_log.rs

no-record-in-the-audit-log = 审计日志中没有记录 { $number }

## node/core/src/handle/file.rs

a-read-of-more-than-bytes = 一次读取超过 { $most } 字节；请分几次读取
the-content-of-ends-before-its = { $path } 的内容短于它的大小
a-read-failed = 读取失败：{ $error }

## node/core/src/handle/library.rs

has-no-release-here = 本地没有 { $name } 的版本 { $sequence }
has-several-releases-name-one-by = { $name } 有几个版本 { $sequence }；请用标识指定
several-nodes-match-name-one-by = 有几个节点与 `{ $text }` 相符；请用编号指明其中一个：{ $ids }
library-is-not-here-any-more = 库 { $id } 已不在这里

## node/core/src/handle/mod.rs

a-library-is-here-already = 这里已有库 `{ $name }`：{ $id }
has-another-act-than-show-it = { $path } 中的操作不是 { $act }；请再查看一次

## node/core/src/handle/progress.rs

the-answer-was-taken-already = 结果已经取走

## node/core/src/home/backup.rs

lies-in-the-home-a-backup = { $path } 位于主目录之内：备份会同主目录一起丢失；请选另一块磁盘上的目录
encode-a-backup = 编码备份：{ $error }
the-keys-and-settings-of-this = 本主目录的密钥和设置超过 { $backup_file_bytes } 字节；请改为复制目录 { $home }
encode-peers = 编码已知节点：{ $error }
is-a-home-already-restore-into = { $home } 已是主目录；请用 --home 恢复到另一个目录
is-there-already-it-is-a = { $part } 已存在：它属于另一个主目录；请恢复到单独的目录
encode-a-note = 编码备注：{ $error }
the-keys-or-settings-of-the = 主目录的密钥或设置一直在变；请再试一次
look-at = 查看 { $path }
is-a-backup-of-version-and = { $path } 是版本 { $version } 的备份，而本版 chuan 读取的版本不同；请使用写成它的 chuan
is-not-a-complete-backup-of = { $path } 不是完整的主目录备份；请用它的另一份副本

## node/core/src/home/config.rs

region-7 = { $path }：region：{ $error }
announce = { $path }：announce：{ $error }
a-library-is-followed-twice = `{ $library }` 出现了两次；请只保留一个 `[[follow]]` 表
a-table-follow-names-no-library = 有一个 `[[follow]]` 表没有写明库；请加上 `library = "NAME"`
a-pull-failed = 一次拉取失败：{ $v1 }
settings-follow = { $path }：`follow`：{ $v1 }


## node/core/src/home/lag.rs

encode-channels-that-are-behind = 编码落后的频道：{ $error }

## node/core/src/home/mod.rs

is-a-home-already-use-another = { $home } 已是主目录；请换一个目录，或修改它的 chuan.toml
is-there-it-is-not-lost = { $home } 存在：密钥没有丢失，请用 `chuan rotate` 更换
says-that-this-is-node-give = { $home } 写明这是节点 { $home2 }；请给出它
no-home-at-make-one-with = { $home } 没有主目录；请用 `chuan init` 建立，或用 --home 指定另一个
is-a-home-without-its-chuan = { $home } 是主目录，但缺少 chuan.toml，其中有 { $names }；请从备份放回 chuan.toml，或重新写一个，写入两行 `name = "NAME"` 和 `role = "ROLE"`（origin、mirror 或 edge）
the-key-of-the-node-is-not-there = 节点密钥 { $path } 不在：请放回，或用 `chuan home restore FILE` 在另一目录重建主目录；没有备份时，`chuan init --renew NODE` 为该标识的节点生成另一把密钥，须由操作员绑定
is-not-a-node-id-put = { $node_id_path } 不是节点标识；请从备份放回
replace = 替换 { $node_key_path }
no-home-give-one-with-the = 没有主目录；请用 --home 或 CHUAN_HOME 指定
every-user-may-write-in-mode = 所有用户都可以写 { $root }（权限 { $mode }），其他用户因此可以替换那里主目录的密钥；请执行 `chmod o-w { $root2 }`，或换一个目录

## node/core/src/home/moving.rs

copying-files-bytes-to-another-file = 正在复制 { $files } 个文件、{ $bytes } 字节到另一个文件系统
the-home-at-has-moved-to = { $root } 的主目录已迁移到 { $to }
is-an-unfinished-copy-of-the = { $root } 是 { $from } 的主目录未完成的副本；在那里执行 `chuan home move`，目标为同一目录，即可完成迁移；如果那个主目录已不在，而这份副本是完整的，请删除 { $root }/{ $moving }
is-a-link-to-move-that = { $from } 是指向 { $target } 的链接；请用 --home 迁移那个目录，然后修改链接
is-a-relative-link-to-which = { $path } 是指向 { $target } 的相对链接，在新目录里会指向别处；请改成绝对链接
the-folder-of-does-not-exist = { $to } 的上级目录不存在；请先建立
lies-in-the-home-itself-choose = { $to } 位于主目录之内；请换一个目录
rename-to = 把 { $from } 改名为 { $to }
rename = 给 { $from } 改名
the-home-at-has-moved-to-name = { $from } 的主目录已迁移到 { $named }；请给出那个目录，以删除旧目录的剩余部分
the-home-at-has-moved-to-and = { $from } 的主目录已迁移到 { $named }，而它此刻不在；请挂载它的磁盘
remove-the-content-of = 删除 { $folder } 的内容
the-home-has-bytes-and-has = 主目录有 { $bytes } 字节，而 { $to } 只有 { $free } 可用；主目录仍在原处
copy-to = 把 { $from } 复制到 { $to }
compare-with = 比较 { $new } 与 { $old }
differs-from-after-it-was-copied = { $new } 在复制之后与 { $old } 不同：其中一块磁盘正在失效；主目录仍在原处

## node/core/src/home/owner.rs

belongs-to-user-and-this-process = { $root } 属于用户 { $user }，而这个进程不能以该用户的身份工作（{ $error }）：root 的文件会使属主无法使用主目录；请以该用户执行命令

## node/core/src/home/peers.rs

several-peers-match-name-one-by = 有几个节点与 `{ $who }` 相符；请用标识指定：{ $ids }
mend-it-or-delete-it-and = { $peers_path }：{ $error }；请修好它，或删除它并用地址指定节点

## node/core/src/home/refusals.rs

encode-refusals = 编码拒绝记录：{ $error }

## node/core/src/key_file/mod.rs

that-is-not-the-passphrase-of = 这不是 { $path } 的口令
needs-2-of-scrypt-work-and = { $path } 需要 2^{ $required } 的 scrypt 计算量，而上限是 2^{ $work_max }；请用 `age` 解密，再以较小的计算量加密
is-not-encrypted-with-a-passphrase = { $path } 没有用口令加密
cannot-encrypt = 无法加密 { $path }：{ $error }
can-be-read-by-others-if = 其他用户可以读取 { $path }；如果还没有被读过，请执行 `chmod 600 { $path }`，否则请更换密钥
is-not-a-chuan-secret-key = { $path } 不是 chuan 的密钥；请从备份放回

## node/core/src/key_file/passphrase.rs

passphrase-of = { $path } 的口令：
new-passphrase-for = { $path } 的新口令：
an-empty-passphrase-protects-nothing-give = 空口令不起保护作用；请换一个
the-same-again = 再输入一次：
the-two-passphrases-differ-nothing-was = 两次输入的口令不同；什么也没有写入
a-passphrase-is-needed-and-there = 需要口令，而没有可以询问的终端；请设置 { $variable }
is-not-utf-8-type-the = { $variable } 不是 UTF-8；请改为输入口令

## node/core/src/library/channels.rs

none-yet = 还没有
has-no-channel-known-here = { $library } 没有频道 `{ $name }`（本地已知：{ $all }）

## node/core/src/library/load.rs

a-statement-of-it-does-not = 它的一条声明无法解析：{ $error }

## node/core/src/library/lost.rs

mended = { $found }；已修复
the-ledger-has-lost-chuan-pull = 账本有丢失（{ $place }）；`chuan pull` 向其他节点索取；没有别的节点有这个库时，`chuan publish --force` 不顾它继续
library-is-left-out-chuan-pull = 库 { $library } 已略去：{ $reason }；`chuan pull { $library }` 向其他节点索取
of-library-points-to-release-which = 库 { $at } 的 { $channel } 指向版本 { $at2 }，而本地不知道它；`chuan pull` 向其他节点索取
continues-without-the-records-of-that = 不顾账本丢失的 { $library } 的记录，继续
a-member-that-knows-a-lost = { $what }；知道丢失版本的成员会拒绝与之矛盾的版本
the-ledger-has-lost-records-and = 账本有丢失的记录，现在签署的声明可能与以前签署的矛盾；`chuan pull --from HOST:PORT` 从镜像取回记录，`chuan publish --force` 则不顾它们继续

## node/core/src/library/members.rs

no-member-of-chuan-members-lists = { $library } 没有成员 `{ $text }`；`chuan members` 列出成员，新节点要用标识指定
several-members-match-name-one-by = 有几个成员与 `{ $text }` 相符；请用标识指定

## node/core/src/library/mod.rs

its-root-is-lost = 它的根已丢失
no-library-here-known-join-it = 本地没有库 `{ $name }`（已知：{ $known }）；请用票据加入，或用 `chuan publish` 建立
no-library-here-yet-join-one = 本地还没有库；请用票据加入，或用 `chuan publish` 建立
several-libraries-are-here-name-one = 这里有几个库；请指定 { $names } 中的一个
another-command-signed-for-the-library = 另一条命令同时为该库签了名，或者本主目录落后；请先拉取，再执行一次

## node/core/src/library/names.rs

are-called = 名为
have-an-id-that-begins-with = 的标识以此开头：
several-libraries-name-one-by-its = 有几个库{ $how } `{ $name }`；请用标识或标识的开头指定：{ $which }
no-keys-here = 本地没有密钥
keys-here = 本地密钥：{ $roles }
founded-utc = { $library }（{ $releases }，建于 { $founded } UTC，{ $keys }）

## node/core/src/library/release.rs

nothing-of-is-here-yet-chuan = 本地还没有 { $library }@{ $name } 的内容；请执行 `chuan pull { $library }`{ $how }
has-no-release-here-chuan-releases = 本地没有 { $name } 的版本 { $id }；`chuan releases { $name }` 列出各版本
classes-not-granted-to-this-node = （未授权给本节点的类别：{ $absent }）
no-file-in-chuan-ls-lists = { $asked } 中没有文件 `{ $path }`{ $elsewhere }；`chuan ls { $asked }` 列出文件
may-have-been-out-of-date = 可能已经过时 { $age_ms } 秒
is-of-unknown-age = 已有多旧不明
and-class-allows-s-max-stale = { $library }@{ $channel } { $since }，而类别 `{ $class }` 允许 { $allowed } 秒（max_stale）：请从时间见证者能连通的节点执行 `chuan pull { $library }`，或指定版本 { $library }@{ $sequence }
with-the-option-channel = （加上 `--channel { $channel }`）
nothing-of-is-here-yet-chuan-pull = 本地还没有 { $library } 的内容；请执行 `chuan pull { $library }`
has-no-release-or-channel-here = { $library } 在本地没有版本或频道 `{ $name }`；`chuan releases { $library }` 列出各版本
several-releases-match-name-one-by = 有几个版本相符；请用标识指定：{ $ids }

## node/core/src/peers/address.rs

is-not-an-address-to-listen = `{ $text }` 不是监听地址；请写 IP:PORT，如 0.0.0.0:4040 或 [::]:4040

## node/core/src/peers/mod.rs

no-source-of-is-known-name = 不知道 { $library } 的源；请用 --from HOST:PORT 指定一个，或用有该库的节点的票据加入
no-peer-is-known-chuan-status = 不知道节点 `{ $text }`；`chuan status` 列出已知节点，也可以给出地址 HOST:PORT

## node/core/src/publish/classes.rs

a-tree-of-no-class-in = 不属于任何类别的树，槽位 { $slot }
the-signing-publisher-keys-cover-no = 签名的发布者密钥管不到库的任何类别，或者太少：请用 --policy 指明类别，或用 --key 给出更多密钥
the-parent-release-does-not-list = 上一版本没有按名字列出类别，而受限发布者需要它：请管全部类别的发布者先发布一次
the-paths-of-class-are-defined = 类别 `{ $class }` 的路径写在一个本地没有的版本里，由管全部类别的发布者写成：请用 --policy 写明，或先拉取指向该版本的频道
class-8 = 类别 `{ $name }`
of-the-parent-release-is-not = 上一版本的{ $class }不在本地，而这个发布者的密钥管它：请先执行 `chuan pull { $library }`；如果仍取不到，请操作员授权给本节点
this-publisher-s-key-does-not = 这个发布者的密钥管不到类别 `{ $name }`：请不要把它写进策略；它保持原样
a-library-has-at-most-classes-former = 一个库最多有 { $classes } 个类别，包括以前的

## node/core/src/publish/mod.rs

left-for-chuan-policy-set-which = 留给 `chuan policy set { $library }`、由操作员签署的设置：{ $left }
the-room-of-this-publish-is = 这次发布占用的空间没有归还：{ $failure }；下一次发布从已保存的内容继续
a-publish-names-no-publisher = 发布没有写明发布者

## node/core/src/publish/staleness_guard.rs

none-of-the-known-peers-of = { $name } 的 { $known } 个已知节点一个也连不上，而这台机器没有记录表明本主目录含有它的密钥签过的一切：它可能是从备份恢复的，或是一份副本；请在有节点连得上时再试，或用 --force 发布
none-of-the-known-peers-of-can = { $name } 的 { $known } 个已知节点一个也连不上；本主目录含有它的密钥在这台机器上签过的一切，照常发布
release-of-is-not-here-and = { $name } 的版本 { $announced } 不在本地，上次拉取时应答的节点也都没有它；它若已丢失，请由操作员把频道移到本地最新的版本：`chuan channel set { $name } { $live } { $here } --follow --yes`，然后再发布
this-home-is-behind-the-known = 本主目录落后于已知的 { $name } 的版本；是从备份恢复的吗？请先执行 `chuan pull { $name }` 再发布

## node/core/src/pull/answer.rs

this-node-is-granted-only-if = ；只授权给本节点 `{ $named }`：如果发布版本没有这样的类别，由操作员用 `chuan grant` 更改

## node/core/src/pull/mod.rs

no-release-of-is-here-and = 本地没有 { $library_name } 的发布版本，应答的节点也没有
a-pull-ended-without-a-release = 拉取结束时没有发布版本

## node/core/src/pull/progress.rs


## node/core/src/pull/seek.rs

asking-it-again-for-up-to = { $busy }：最多再问它 { $left } 秒

## node/cli/src/confirm.rs

the-same-command-with-dry-run = 同一条命令加 `--dry-run`
chuan-root-show-revocations-end-with = `chuan root show { $file }`（{ $ended } 项吊销随之失效，它收回：{ $value }）
chuan-sign-show = `chuan sign { $file } --show`（{ $taken }）

## node/cli/src/key.rs

the-file-name-is-not-utf = 文件名 { $path } 不是 UTF-8；请换一个

## node/cli/src/limits.rs

start-threads-raise-the-limit-of = 启动线程；请调高这个进程的限制（ulimit -u、ulimit -v）

## node/cli/src/main.rs

start-threads = 启动线程

## node/cli/src/output.rs

write-to-standard-output = 写标准输出

## node/cli/src/sign.rs

no-new-signature-in-the-copy = 副本中没有新的签名
added-one-signature = 加入了 1 个签名
added-signatures = 加入了 { $new } 个签名
which-key-name-its-file-with = 用哪把密钥？请用 --key 或 CHUAN_KEY 指明密钥文件
key-has-signed-already = 密钥 { $key } 已经签过名
write-an-answer = 写结果
no-terminal-to-ask-on-look = 没有可以询问的终端；请看 { $look }，核对指纹，再加 --yes
ask-on-the-terminal = 在终端上询问
nothing-was-changed = 什么也没有改变

## node/cli/src/signals.rs

catch-signals = 捕捉信号

## node/cli/src/ticket.rs

no-ticket-is-given-pipe-it = 没有给出票据；请通过管道交给 `chuan join -`，用 --ticket-file 指明文件，或设置 { $variable }
this-is-not-a-ticket-it = 这不是票据：它不是文本
read-the-ticket = 读取票据

## node/cli/src/root/mod.rs

this-command-needs-a-home = 这条命令需要主目录
has-the-revocations-that-do-not = { $beside } 含有根里放不下的吊销：请放在 { $file } 旁边，`root apply` 需要它
has-no-root = { $file } 中没有根
one-signature-of-the-earlier-proposal = 先前提议的 1 个签名现已失效：请重新签名
signatures-of-the-earlier-proposal-are = 先前提议的 { $void } 个签名现已失效：请重新签名

## node/cli/src/root/pins.rs

the-members-tickets-channels-policy-and = 成员、票据、频道、策略和吊销
the-releases-and-channels = 发布版本和频道
that-key-signed-would-become-ineffective = 密钥 { $key } 签署的{ $what }将会失效；请用 --statements FILE 保留它们（FILE 由 `chuan statements export` 写成），或用 --drop
has-the-statements-of-library-not = { $path } 中是库 { $bundle } 的声明，而不是 { $draft } 的
statements-would-have-to-be-pinned = 需要钉住 { $all } 条声明，最多 { $pins } 条；请先让另一把密钥重新签署其中一些

## node/cli/src/root/words.rs

founds-the-library = 建立库 { $new }
renames-the-library-from-to = 把库从 { $old } 改名为 { $new }
no-longer-pins-of-the-statements = 不再钉住以前钉住的 { $fewer } 条声明
pins-revocations-by-key-in-a = 在清单 { $list } 中钉住密钥 { $key } 所签的吊销
to-be-renewed-by = 续期期限：{ $before } -> { $expiry }
adds-key-fingerprint = 加入 { $what } 密钥 { $key }{ $scope }，指纹 { $key2 }
removes-key = 移除 { $what } 密钥 { $key }{ $scope }
threshold = { $what } 门限{ $scope }：{ $before } -> { $after }
threshold-7 = { $what } 门限{ $scope }：{ $after }
removes-the-role-it-has-no = 移除 { $what } 角色{ $scope }：它不再有密钥
for-class = （类别 { $one }）
for-classes = （类别 { $names }）

found-the-library = 要新建库 { $v1 } 吗？
no-library-is-known-here-this-home = 本地没有库 { $v1 }；本主目录有 { $v2 }
file-or-folder = 个文件或目录
files-or-folders = 个文件或目录
note-gave-of-root-in-to-the = 注意：已把 { $v2 } 中属于 root 的 { $v1 } 交给主目录的属主
write-the-help = 写出帮助
not-pinned-are-earlier-moves-of-channels = 不钉住此前的频道移动和已被取代的授权：`chuan history` 会标出这些移动
pins-one-statement-which-stays-effective-without = 钉住 1 条声明，它不靠签署者的密钥也继续有效；{ $v1 }
pins-statements-which-stay-effective-without-their = 钉住 { $v1 } 条声明，它们不靠签署者的密钥也继续有效；{ $v2 }
is-no-longer-in-the-effective-history = `{ $v1 }` 已不在 { $v2 } 的有效历史中：根不再列出作出那次移动的操作员；`chuan channel set { $v3 } { $v4 } { $v5 }` 可以移过去
is-revoked-since-utc-admit-it-again = { $v1 } 自 { $v2 } UTC 起已吊销；要重新接纳，请用 `chuan grant { $v3 } --library { $v4 } --all-classes`（或一些类别）
channel-leaves-which-does-not-contain = 频道 { $v1 } 将舍去不包含在 { $v4 } 中的{ $w_kind } { $v3 }
channel-would-have-no-release-any-more = 频道 { $v1 } 将不再有发布版本
this-takes-rights-from = 这会取走权限，涉及 { $v1 }
look-at-it-with-the-option-and = { $v1 }；请用 `--dry-run` 查看，用 `--yes` 确认
no-library-is-known-here-this-home-2 = 本地没有库 { $v1 }；本主目录有 { $v2 }。名字无误时，请用 `--found` 再建一个库
the-keys-of-are-in-only-copies = { $v1 } 的密钥只在 { $v2 } 中：请用 `chuan home backup FILE` 复制到另一个磁盘
has-nothing-to-publish-give-the-option = { $v1 } 没有可发布的内容；要建空库 { $v2 }，请用 `--allow-empty`
the-key-of-this-node-was-replaced = 本节点的密钥已更换，而票据只以第一把密钥接纳新节点；请在有 { $v1 } 操作员密钥的机器上执行 `chuan grant { $v2 } --library { $v3 } --node-key { $v4 } --all-classes`（或一些类别），并在那里执行 `chuan statements export { $v5 } FILE`；在这里执行 `chuan statements import FILE`，再执行 `chuan pull { $v6 } --from HOST:PORT`
the-ticket-has-no-address-at-which = 票据中没有能连上节点的地址；请索取新的票据：`chuan invite --address HOST:PORT`
the-index-was-rebuilt-damaged = 索引已重建；{ $v1 } 已损坏
the-disk-of-is-full = { $v1 } 所在的磁盘已满
the-disk-of-is-read-only = { $v1 } 所在的磁盘只读
waiting-for-no-answer-yet = 正在等待 { $v1 }：还没有应答
look-at-belongs-to-user = 查看 { $v1 }（{ $v2 } 属于用户 { $v3 }）
run-the-command-as-that-user-or = { $v1 }；请以该用户或 root 执行命令
or-chuan-listen-listen-is-not-an = { $v1 }（或 CHUAN_LISTEN）：listen：`{ $v2 }` 不是可监听的地址；请写 IP:PORT，例如 0.0.0.0:4040 或 [::]:4040
has-other-files-such-as-a-home = { $v1 } 里有别的文件，例如 `{ $v2 }`：主目录要独占一个目录；请用空目录或新目录，例如 { $v3 }
is-a-link-and-its-target-is = { $v1 } 是链接，而它的目标现在不存在；请挂载磁盘，或改正链接
is-not-a-folder-give-the-folder = { $v1 } 不是目录；请用 `--home` 给出主目录
belongs-to-root-run-as-root = { $path } 属于 root：请以 root 执行 `chuan status`，它把主目录中属于 root 的文件交还属主
belongs-to-user-give-it = { $path } 属于用户 { $user }：请用 `chown` 把它交给主目录的属主
give-the-files-of-root-in-to = 把 { $v1 } 中属于 root 的文件交给用户 { $v2 }
is-a-link-which-is-not-followed = { $v1 } 是链接，不会跟随；请删除它，它会重新建立
is-not-used-give-it-and-the = 没有使用 { $v1 }：{ $v2 }；请用 `chown` 把它和 { $v3 } 的其余部分交给同一个用户，或者删除它
no-class-of-release-of-is-granted = { $v2 } 的发布版本 { $v1 } 没有授权给本节点的类别，或者还没有拉取；`chuan pull { $v3 }@{ $v4 }` 取已授权的类别
release-of-is-not-held-here-fetches = { $v2 } 的发布版本 { $v1 } 不在本地；`chuan pull { $v3 }@{ $v4 }` 可以取来
encode-the-answers-of-peers = 编码其他节点的应答：{ $v1 }
encode-silent-peers = 编码没有应答的节点：{ $v1 }
no-file-is-in-class-none-matches = 类别 `{ $v1 }` 中没有文件：没有一个匹配它的 `paths`
the-data-of-release-is-not-held = 发布版本 { $v1 } 的数据已不在本地，{ $v2 } 各类别的路径也随之不在：请用 `--policy` 给出
the-data-of-release-is-not-held-2 = 发布版本 { $v1 } 的数据不在本地：请先用 `chuan pull { $v2 }` 从其他成员取来，再发布；`--force` 不用它也发布，并重新读取全部内容
the-data-of-release-is-not-held-3 = 发布版本 { $v1 } 的数据已不在本地：将重新读取全部内容，并归入类别 `default`，除非 `--policy` 规定了别的类别
the-library-has-in-a-folder-name = 库的目录中已有 { $v1 }：请用 { $v2 } 写明文件在库中的路径，放在顶层则用 `--as { $v3 }`
is-a-folder-which-becomes-the-content = { $v1 } 是目录，它会成为库的内容；`--as` 只用于单个文件
no-peer-of-is-known-and-this = { $v1 } 没有已知的节点，这个用户在这里也没有其密钥签过什么的记录：如果另一个主目录也用这把密钥发布，两者会互相矛盾
the-publisher-s-key-of-this-home = 本主目录的发布者密钥在这台机器上签过的 { $v1 } 发布版本与本主目录所有的不同：它是另一个主目录的副本，或从备份恢复；请从那个主目录发布，或把它的声明带到这里（`chuan statements import`）；`--force` 照样发布，并与它们矛盾
a-dial-failed = 连接失败：{ $v1 }
a-source-that-answered-has-no-connection = 已应答的源没有连接
a-source-that-is-not-in-the = 连接了不在顺序中的源
no-answer-yet-from = { $v1 } 还没有应答
no-answer-before-another-node-answered = 在另一个节点应答之前没有应答
no-answer-from-asking = { $v1 } 没有应答：正在询问 { $v2 }
channel-moves-from-release-to-which-does = 频道 { $v1 } 从发布版本 { $v2 } 移到不包含它的 { $v3 }
