### The texts of the command line in Chinese. The ids and variables are those of `../en/answers.ftl`.


## Counts of things. `$number` decides the form, `$count` is shown.

count-chunk = { $count } 个数据块
count-class-not-granted = { $count } 个类别未授权给本节点，也不在本地
count-conflict = { $count } 件矛盾
count-damaged-object = { $count } 个损坏的对象
count-file = { $count } 个文件
count-folder = { $count } 个目录
count-item = { $count } 个项目
count-key = { $count } 把密钥
count-library = { $count } 个库
count-member = { $count } 个成员
count-node = { $count } 个节点
count-page = { $count } 页
count-path = { $count } 个路径
count-peer = { $count } 个其他节点
count-place = { $count } 处
count-record = { $count } 条记录
count-release = { $count } 个发布版本
count-round-trip = { $count } 次往返
count-segment = { $count } 个段文件
count-statement = { $count } 条声明
count-time = { $count } 次

## Units of time.

unit-second = 秒
unit-minute = 分
unit-hour = 小时
unit-day = 天

## Parts of many answers.

yes = 是
no = 否
joint = ；
both = { $files }和 { $folders }
class-content = { $files }，{ $size }
standard-output = 标准输出
problems-more = ! 另有 { $number } 处
items-more = 另有 { $number } 项；--json 最多列出 1,000 项

## Words before values.

label-address = 地址
label-backup = 备份
label-fingerprint = 指纹
label-found = 发现
label-home = 主目录
label-key = 密钥
label-known = 已知
label-ledger = 账本
label-left-out = 已略去
label-library = 库
label-lost = 丢失
label-made = 制作时间
label-name = 名字
label-node = 节点
label-now = 当前
label-proposed = 提议
label-refused = 拒绝
label-region = 地区
label-renew-by = 续期期限
label-requests = 请求
label-room = 可用空间
label-root = 根
label-secret = 私钥文件
label-serving = 服务
label-set-aside = 另存为
label-signatures = 签名
label-signed-by = 已签名
label-store = 存储
label-trust = 信任
label-waiting-for = 等待签名

## Headings of columns.

col-address = 地址
col-age = 时长
col-by = 由谁
col-channel = 频道
col-channels = 频道
col-classes = 类别
col-files = 文件数
col-follows = 跟随
col-freshness = 新鲜度
col-held = 已有
col-here = 本地
col-message = 说明
col-move = 移动
col-name = 名字
col-newest = 最新
col-node = 节点
col-peer = 其他节点
col-publisher = 发布者
col-region = 地区
col-release = 发布版本
col-release-here = 本地版本
col-role = 角色
col-sequence = 序号
col-size = 大小
col-state = 状态
col-time = 时间（UTC）
col-until = 期限（UTC）
col-verbs = 权限

## `init`, `id`, `serve`.

region-claimed = { $region }（chuan.toml 中所写）
serving = 节点 { $node } 正在 { $address } 上服务

## `invite`, `join`, `rotate`.

ticket = { $library } 的票据，地址 { $addresses }，供 { $nodes }使用，{ $until } UTC 之前有效；持有票据者均可使用：
ticket-private = ! 其他网络的节点连不上票据中的地址：请在 chuan.toml 的 `announce` 中写它们连得上的地址，或用 --address 给出
joined = 已加入 { $name }（{ $library }），角色 { $role }，经由节点 { $node }（{ $address }）
joined-next = 下一步：`chuan pull { $name }`；镜像节点上运行 `chuan serve` 期间，会自行拉取每个发布版本
rotated = 节点 { $node } 在 { $libraries }中有了新密钥（{ $key }）；已得知的其他节点：{ $peers } 个，其余节点由它们转告
rotated-refused = ! { $library } 拒绝：它所知的本节点密钥不是这一把，或者旧密钥有争议；请操作员用 `chuan grant { $node } --library { $library } --node-key { $key }` 绑定新密钥
rotated-grace = 旧密钥在 { $time }内仍然有效；请重新备份：`chuan home backup FILE`

## `pull`.

pull-nothing-newer = 没有取到更新的版本
pull-nothing-would-arrive = 不会取到更新的版本
pulled = 已拉取 { $name }@{ $sequence } { $release }{ $fresh }
pull-nothing-new = 没有新内容：{ $name }@{ $sequence } { $release }{ $fresh }
pull-fresh = ，{ $channel } { $fresh }
pulled-content = { $files }，{ $size }；取回 { $chunks }（{ $fetched }，编码后 { $encoded }）和清单页 { $pages }，来自节点 { $node }（{ $address }）
pulled-wire = 网络上收 { $bytes_in }、发 { $bytes_out }，{ $round_trips }，用时 { $time }，{ $rate }
pulled-part = 其中 { $size } 来自节点 { $node }
pulled-part-failed = 其中 { $size } 来自节点 { $node }，直到出错：{ $why }
pull-stays = { $channel } 仍指向 { $sequence } { $release }
pull-unfinished = 有未完成的拉取：执行 `chuan pull { $library }` 接着做
would-pull = 将拉取 { $name }@{ $sequence } { $release }，来自节点 { $node }（{ $address }）：{ $chunks }，{ $missing }；全部为 { $files }，{ $size }

## Channels that are behind.

lag = ! { $channel } 已落后 { $since }：{ $here }，已宣布{ $release }；得知自 { $by }
lag-heard = ! { $channel } 已落后 { $since }：{ $here }，已宣布{ $release }；{ $heard }前得知自 { $by }
lag-here = 本地为版本 { $sequence }
lag-nothing-here = 本地什么也没有
lag-statements = 声明
lag-behind = ! { $channel } 在本地落后 { $number } 个版本；请执行 `chuan pull`
lag-behind-of = ! { $channel } 在本地落后 { $number } 个版本：已宣布版本 { $sequence }；请执行 `chuan pull`
release-of = 版本 { $sequence } { $release }{" "}
release-by-id = 版本 { $release }{" "}
no-release = 没有任何版本
asked = { $node }，{ $ago }前问过：{ $answer }
asked-at = { $node }（{ $address }），{ $ago }前问过：{ $answer }
asked-sent = 发来了 { $release }
asked-has = 有 { $release }
asked-announces = 知道该版本，自己有的是 { $release }

## `publish`.

founded = 已建立库 { $name }（{ $library }）；它的密钥在本主目录中，根密钥一把，门限为一
founded-keys = ! 这些密钥只在这块磁盘上：一旦丢失，就不能再签署发布版本，任何镜像都无法补救
founded-backup = ! 请现在就写到另一块磁盘上，以后每有新密钥再写一次：
published = 已发布 { $name }@{ $sequence } { $release }
published-aside = 已发布，live 没有移动：{ $name }@{ $sequence } { $release }
published-content = { $files }，{ $size }：读取 { $read }，用时 { $time }，跳过未变的 { $skipped }；新增 { $chunks }，{ $new }
live-follows = live 跟随发布者 { $publisher }；要切换到它，请执行 `chuan channel set { $name } live { $sequence } --publisher KEY`
unchanged = 没有变化：{ $name }@{ $sequence } { $release } 就是当前版本
unchanged-aside = 没有变化：{ $name }@{ $sequence } { $release } 不在 live 上
would-found = 试运行：将建立库 { $name }
would-change-nothing = 试运行：自 { $name }@{ $sequence } 以来没有文件新增、改变、消失或改换类别；目录、链接和权限不作比较
would-publish = 试运行：将在 { $name }@{ $sequence } 之后发布一个版本
would-found-beside = ! 本地没有库 { $name }；本主目录有 { $libraries }。名字若没有错，发布时要加上 `--found`
would-publish-aside = 试运行：将在 { $name }@{ $sequence } 之后发布一个版本；live 不会移动
live-would-follow = live 跟随发布者 { $publisher }
live-would-stay = live 停在 { $live }：它不跟随任何发布者
published-files = 新增：{ $new }；改变：{ $changed }；消失：{ $gone }；总计：{ $all }
excluded = 被排除模式排除：{ $items }
excluded-item = { $path }（{ $why }）
left-out = 未收入：{ $items }
xattrs-left-out = { $files }的扩展属性未收入；--xattrs 收入 `user` 命名空间的扩展属性，每个文件至多 1 KiB
unsettled = 读取时仍在变化，未按现在的样子收入：{ $files }
has-gaps = 发布版本有缺漏：{ $items }取不到
would-have-gaps = 发布版本将有缺漏：{ $items }取不到
changed-path = { $change }  { $path }（{ $class }），{ $size }
gap-stays = { $path }（{ $why }）：保持上次发布的样子
gap-absent = { $path }（{ $why }）：不在发布版本里

## `restore`.

restored = 已把 { $release } 还原到 { $folder }
would-restore = 将把 { $release } 还原到 { $folder }
restored-content = { $content }：{ $wrote }，{ $unchanged } 个保持不动，沿用已有的 { $reused }，用时 { $time }
wrote = 写入 { $number } 个（{ $size }）
would-write = 将写入 { $number } 个（{ $size }）
restored-links = 其中 { $files }是其他文件的硬链接
xattrs-not-restored = { $files }的扩展属性没有还原；--xattrs 会还原它们
removed = 已删除版本中没有的 { $items }
would-remove = 将删除版本中没有的 { $items }
one-stays = 版本中没有的 { $items }保留未动；--delete 会删除
several-stay = 版本中没有的 { $items }保留未动；--delete 会删除
not-restored = ! { $paths }未能还原；--json 列出路径和原因

## `ls`, `diff`, `releases`.

listed = 版本 { $sequence } { $release } 共 { $files }，{ $size }
differed = 新增 { $added }，删除 { $removed }，改变 { $changed }
differed-moved = 新增 { $added }，删除 { $removed }，改变 { $changed }，换了类别 { $moved }
held-all = 全部
held-part = 部分

## Classes.

class-names = { $names }（{ $number } 个不在本地）
class-not-in-release = ! 类别 { $class } 已授权给本节点，而发布版本中没有这个类别
class-stale = ! 已略去类别 { $class }：频道比它所允许的更旧；要读取它，请用编号指定发布版本
classes-every = 全部
classes-all = 全部
in-slot = （槽位 { $slot }）

## `verify`, `rebuild`.

verified = { $verdict }：{ $releases }，{ $pages }，{ $chunks }，校验 { $size }，用时 { $time }；缺少 { $missing }，损坏 { $corrupt }
verified-sound = 没有问题
verified-problems = 发现问题
verified-superseded = 已损坏但无妨之处（内容已重新保存，或没有发布版本需要）：{ $number }
verified-repair = 请用 `chuan pull` 从有数据的节点取回，或重新发布来源
rebuilt = 已由 { $segments }重建索引，用时 { $time }：{ $chunks }，{ $pages }，{ $statements }；丢失 { $lost }

## `status`.

serving-on = 在 { $address } 上（进程 { $process }）
serving-no = 否
store-held = { $chunks }，{ $size }，分布于 { $segments }，{ $pages }
store-lost = 丢失 { $number }：见 `chuan verify`
room-for = { $size }
keys-none = 无
trust-root = 根：{ $root }（版本 { $version }）；本地密钥：{ $keys }
library-known = { $members }，{ $releases }
conflicts-open = { $conflicts }待处理：见 `chuan conflicts { $library }`
refused-by = 自 { $since } UTC 起被 { $node } 拒绝：{ $why }
unverified-since = 自 { $since } UTC 起无法核实 { $node }：{ $why }
state-not-pulled = 未拉取
state-unverified = 源未核实
state-current = 最新
state-part-held = 最新，数据不全
state-behind = 落后 { $number }
follow-unknown = chuan.toml 的 `[[follow]]` 写有 { $library }，而这里不知道这个库：请改正名字，或加入该库
backup-current = { $time } UTC，含全部密钥
backup-outdated = { $time } UTC；此后密钥有变动：`chuan{ $home } home backup FILE`
backup-none = 无：库的密钥只在这块磁盘上；`chuan{ $home } home backup FILE`

## `members`, `grant`, `revoke`.

no-reason = 未说明原因
was-revoked = { $node } { $name } 于 { $time } UTC 被吊销：{ $why }
has-lapsed = { $node } { $name } 已不是成员：{ $why }
member-state = { $node } 现在的状态：{ $state }
member-before = 此前：{ $rights }
role-origin = 源站（origin）
role-mirror = 镜像（mirror）
role-edge = 边缘缓存（edge）
rights = { $name } 是{ $role }，权限 { $verbs }，类别：{ $classes }
rights-in = { $name } 是地区 { $region } 的{ $role }，权限 { $verbs }，类别：{ $classes }
loses = ! { $name } { $node } 失去部分权限：{ $after }；此前：{ $before }
loses-all = ! { $name } { $node } 失去成员资格；此前：{ $before }
would-lose = ! { $name } { $node } 将失去部分权限：{ $after }；此前：{ $before }
would-lose-all = ! { $name } { $node } 将失去成员资格；此前：{ $before }

## Previews and questions.

preview = { $library }：未签署任何东西；这一操作：
preview-no-release = ! 频道 { $channel } 不再有发布版本；它现在指向版本 { $before }
preview-this-node = ! 本主目录的节点失去成员资格
preview-nothing = 它不收回任何东西
preview-refused = ! 照此会被拒绝：{ $why }
preview-confirm = 用 `--yes` 确认
ask-do = 要这样做吗？
ask-sign = 要签署吗？
ask-apply = 仍要应用吗？
ask-apply-root = 仍要应用这个根吗？
ask-type-yes = 请输入 yes：
keep-signed = 要保留被移除的密钥签署过的东西，请用 `chuan root remove-key --statements FILE` 重新提出这个根
keep-revoked = 这些节点恢复原来的权限；要保持吊销，请用 `chuan root remove-key --statements FILE` 重新提出这个根，或用留在根里的密钥吊销它们

## Requests of several operators.

requests = { $kind }，序号 { $sequence }：
made = { $time } UTC，有效期至 { $until }
signatures = 已有 { $have } 个，需要 { $need } 个，{ $keys }可以签名
request-applied = 已应用：在本主目录生效，并由它传给其他节点
request-complete = 签名已齐：在库的任何一个主目录上执行 `chuan sign { $file } --apply` 即可应用
request-waiting = { $keys }：`chuan sign { $file }`
request-ticket = 请求应用之后，这张票据才有效：

## Policies.

policy-set = { $library } 的策略已设置，序号 { $sequence }：
policy-changes = { $library }：未作设置；文件将带来的变化：
policy-takes = ! 以下类别的保留、副本或服务将减少：{ $classes }
policy-signed = 序号 { $sequence }，{ $time } UTC，签名者 { $signers }
policy-none = { $library } 没有策略：每个类别全部保留
policy-excludes = 按名字略去：{ $patterns }
policy-class = 类别 { $class }：{ $says }
policy-unknown = { $number } 个字段属于更新版本的 chuan
policy-left = 以下设置供 `chuan publish --policy` 使用，由发布者签署：{ $settings }
junk-left-out = 已知的系统垃圾文件不发布
junk-published = 已知的系统垃圾文件照常发布
finding = { $level }：{ $text }

## Channels.

channel-moved = { $channel } 从 { $from } 移到 { $sequence } { $release }
channel-points = { $channel } 指向 { $sequence } { $release }
channel-new = { $channel }（新建）指向 { $sequence } { $release }
channel-follows = 它跟随发布者 { $publisher }
channel-stays = 新的发布版本不会移动它；它的发布者是 { $publisher }
channel-not-here = 那个版本不在本地：执行 `chuan pull { $library } --channel { $channel }` 之后，频道才在本主目录移动
channel-fresh = { $channel } { $fresh }
channel-of-release = { $channel }（{ $fresh }）
vouched-for = { $age }前有见证
not-vouched-for = 没有见证
vouched = { $signers } 作了见证：{ $library }@{ $channel } 指向 { $sequence } { $release }
no-conflicts = 没有矛盾
conflict = { $state }  { $library }：{ $subject }（{ $kind }）
conflict-open = 待处理
conflict-settled = 已解决
conflict-proof = { $statement }，序号 { $sequence }，{ $time } UTC，签名者 { $signers }

## Keys and roots.

secret-encrypted = { $file }（有口令）
secret-plain = { $file }（没有口令！）
root-version = 版本 { $version }：{ $fingerprint }
root-none = 还没有签署过的根
proposed-nothing = 无
renew-by = { $time } UTC；过期的根仍然有效
role = { $count }：{ $keys }
role-of = { $count }，类别 { $classes }：{ $keys }
tally = { $have }/{ $need }
signatures-of-both = 当前根的密钥 { $old }，本根的密钥 { $new }（已签/需要）
signatures-of-one = 本根的密钥 { $new }（已签/需要）
root-complete = 签名已齐：应用到主目录之后生效
fingerprint-of-version = { $fingerprint }（版本 { $version }）
carried = 已把库 { $library } 的 { $statements }（{ $size }）写入 { $file }
offered = 新收下 { $new }，已知 { $known } 条
offered-row = { $result } { $kind } { $statement }：{ $why }

## The audit log.

record-in = 库 { $library }
record-by-node = 由节点 { $node }
record-by-role = 由{ $role } { $key }
record-by-unknown = 由未知节点
record-times = { $time }内 { $times }
record-ending = { $ending }：{ $why }
log-listed = 日志共 { $records }，最后一条 { $head }
log-exported = 已把 { $records }导出到 { $file }，最后一条 { $head }
checkpoint = 节点 { $node } 的日志在 { $time } UTC 共 { $records }，由密钥 { $key } 签名；已写入 { $file }
log-gap = 缺口：从记录 { $from } 起缺少 { $records }；记录 { $to } 从节点 { $node } 的检查点接着写，该检查点由密钥 { $key } 签名
log-altered = 被改动：{ $why }
log-altered-at = 发现于记录 { $record }；已证明未经改动的：前 { $records }
log-checkpoint-of = 所给的检查点属于节点 { $node }，由密钥 { $key } 签名
log-proved-by-file = 已证明未经改动：{ $records }，凭所给的检查点
log-proved-by-home = 已证明未经改动：{ $records }，凭本主目录自己的检查点
log-unproved = 从记录 { $from } 起未证明：{ $records }的哈希链完好，但可能被截断或重新写过
log-torn = 末尾 { $bytes } 字节不完整；下次启动会截掉
log-stronger-proof = 持有本主目录者可以把日志全部重写：要更强的证明，请向其他节点取检查点（在那里执行 `chuan audit checkpoint NODE FILE`），再用 --checkpoint 给出

## The ledger.

ledger-choose = 请放回正确的文件，或用 `chuan ledger keep a|b` 由其中一份重建两份
ledger-lost = 丢失 { $records }：`chuan pull` 向其他节点索取，`chuan verify` 列出它们
ledger-lost-records = { $records }；`chuan pull` 向其他节点索取
ledger-mended = 打开主目录时发现损坏，已修复
ledger-read-only = 已损坏而无法修复：只能读取
ledger-sound = 两份文件都完好
ledger-repaired-next = 下次启动时修复
ledger-gone = 两份文件都丢失或无法读取；下次启动会开始新账本，并向其他节点索取
ledger-refused = 选定一份文件之前，主目录不会打开
ledger-of-other = { $path } 是另一个节点 { $node } 的账本
ledger-made = 已由 { $path }（{ $records }）重建两份文件
ledger-would-make = 将由 { $path }（{ $records }）重建两份文件
ledger-left-behind = { $path } 中有 { $records }在它最后一条记录之后，不会采用
ledger-copy-missing = 缺失
ledger-copy-other = 属于另一个节点 { $node }
ledger-copy-generation = 第 { $generation } 代
ledger-copy-no-header = 文件头损坏
ledger-copy-records = { $records }，{ $first } 至 { $last }，{ $size }
ledger-copy-damaged = { $places }损坏

## `home`.

backed-up = 节点 { $node } 已备份到 { $file }：{ $keys }，{ $libraries }，{ $peers }，{ $size }
backup-absent = ! 不在备份里：{ $key } 是链接，它所指之处此刻不在；请另外备份
backup-keep = 请放在另一块磁盘上，口令放在另一个地方：恢复时两者都需要
home-restored = { $home } 即节点 { $node }（{ $name }），截至 { $time } UTC：{ $keys }，{ $libraries }，{ $peers }
home-restored-once = 旧主目录若还在某处运行，请先停掉：两个主目录用同一把密钥会互相矛盾
home-restored-pull = 请执行 `chuan{ $home } pull { $library }` 向其他节点索取；在此之前，它不为该库签署任何东西
home-copied = 已复制并比较 { $files }，{ $size }
home-renamed = 已改名
home-moved = 主目录现在位于 { $to }（{ $how }）；{ $from } 已不存在
home-moved-next = 请用 --home 或 CHUAN_HOME 指明它，启动节点的地方也要改

## Progress.

progress = { $phase }：{ $done }，{ $rate }
progress-of = { $phase }：{ $done } / { $total }，{ $rate }
time-left = ，剩余 { $time }
held-already = ，其中 { $size } 已有

## Errors.

error = 错误：
error-of-kind = 错误（{ $kind }，{ $number }）：
exit-internal = 程序缺陷
exit-usage = 用法错误
exit-missing = 找不到
exit-invalid = 输入无效
exit-denied = 无权
exit-busy = 被占用
exit-corrupt = 数据损坏
exit-peer = 连不上对方节点，或对方有故障
exit-full = 空间不足
exit-io = 读写失败
exit-stale = 落后
exit-gaps = 有缺漏
exit-interrupted = 中断
usage-unknown-argument = 没有 '{ $argument }' 这个参数
usage-unknown-command = 没有 '{ $command }' 这个命令
usage-no-value = '{ $argument }' 需要一个值，但没有给出
usage-invalid-value = '{ $argument }' 的值 '{ $value }' 无效
usage-refused-value = '{ $argument }' 的值 '{ $value }' 无效：{ $why }
usage-invalid = 格式不对
usage-missing = 缺少必需的参数：{ $arguments }
usage-twice = 参数 '{ $argument }' 只能用一次
usage-conflict = 参数 '{ $argument }' 不能与 '{ $other }' 同时使用
usage-no-command = 缺少命令
usage-too-many-values = '{ $argument }' 的值太多：'{ $value }' 是多余的
usage-number-of-values = '{ $argument }' 的值的个数不对
usage-no-equals = '{ $argument }' 与值之间需要等号
usage-not-utf8 = 有参数不是 UTF-8 文本
usage-possible = ；可选值：{ $values }
usage-near = 提示：是否想用 { $names }？
usage-more = 详细说明见 '--help'。

## Words of answers: states, results, signers, kinds of acts, phases of work. Other words are shown as they are.

word-member = 成员
word-suspended = 暂停
word-expired = 已过期
word-revoked = 已吊销
word-lapsed = 失去资格
word-stranger = 非成员
word-operator = 操作员
word-publisher = 发布者
word-ticket = 票据
word-revoke = 吊销
word-channel = 频道
word-policy = 策略
word-release = 发布版本
word-new = 新收下
word-known = 已知
word-outdated = 已过时
word-idle = 无效
word-unproved = 未证明
word-refused = 被拒绝
word-failed = 失败
word-error = 错误
word-warning = 警告
word-publish = 发布
word-pull = 拉取
word-restore = 还原
word-verify = 校验
word-rebuild = 重建
word-look = 清点
word-peer = 未连上
word-interrupted = 中断
word-gaps = 有缺漏
word-denied = 被拒绝
word-usage = 用法错误
word-internal = 程序缺陷
word-stale = 过旧
word-io = 本机读写失败
word-corrupt = 数据损坏
word-invalid = 无效
word-missing = 没有可发的
word-busy = 被占用
word-full = 本机空间不足
word-pins = 钉住清单
word-checkpoint = 检查点
word-fresh = 新鲜度
word-succession = 继任
word-timekeeper = 时间见证者
word-root = 根
word-reclassified = 换类别
word-removed = 消失
word-changed = 改变
word-added = 新增
contradicted = ! { $channel } 有互相矛盾的声明：发布者的密钥把它同时移到了两个发布版本，所以它停在原处；`chuan conflicts { $library }` 列出两者，由操作员用 `chuan channel set { $library } { $channel } { $library }@{ $release }` 选定
contradicted-stays = ! { $channel } 有互相矛盾的声明，在操作员移动它之前停在原处：见 `chuan conflicts`
state-contradicted = 有矛盾
joined-already = 票据由本节点签发，本节点已是 { $name } 的成员；票据没有用掉：请到要加入的节点，在那里执行 `chuan join`
backup-unnoted = ! 主目录无法写入，所以 `chuan status` 不计入这份备份：{ $why }
preview-leaves = ! 频道 { $channel } 从 { $before } 移到 { $after }：{ $left }
leaves-one = 舍去不包含在 { $after } 中的发布版本 { $release }
leaves = 舍去不包含在 { $after } 中的发布版本 { $releases }
channel-leaves = ! 它{ $left }
channel-moves-on = ! 发布者 { $publisher } 下次发布时会把 { $channel } 从 { $sequence } 继续移走；要停在那里，请执行 `chuan channel set { $library } { $channel } { $sequence } --no-follow`
live-stays = live 停在 { $live }：它不跟随任何发布者；`chuan channel set { $name } live { $sequence }` 把它移过去，加上 `--follow` 则以后也随新的发布版本移动
replaces = ! live 曾由{ $by } { $signers } 移回 { $sequence }；本次发布取代了它
would-replace = ! live 曾由{ $by } { $signers } 移回 { $sequence }；本次发布将取代它
waited = 等待其他节点 { $time }
completed = 已补齐 { $name }@{ $sequence } { $release }{ $fresh }
here-already = { $name }@{ $sequence } 已在本地
class-arrived = 已取到新授权的类别 { $class }
repaired = 重新取回 { $objects }
no-room = ! 放不下：存储还能容纳 { $size }
pull-from = 别的节点也许有：`chuan pull { $name } --from HOST:PORT`
no-longer-effective = { $by }，已失效
col-last-answer = 最后应答
col-release-held = 版本
answered-ok = 正常，{ $time }前
not-reached = { $time }前未连上
not-reached-since = { $time }前未连上；{ $last }前有过应答
refused-before = { $time }前拒绝
answered-code = { $code }，{ $time }前
and-revoked = { $answer }；已吊销
key-not-in-root = { $key }（不在根中）
pull-unfinished-revoked = 未完成的拉取：操作员重新授权本节点之后才能继续
