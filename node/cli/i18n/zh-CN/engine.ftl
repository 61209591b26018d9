### The sentences of the crate `chuan-engine`, without statements in Chinese, by the ids of `../en/engine.ftl`.


## engine/src/error.rs

corrupt-data = 数据损坏：{ $text }
peer = 对方节点：{ $text }
not-permitted = 无权：{ $text }
an-operator-revoked-the-membership-of = 操作员吊销了本节点的成员资格；只有操作员重新授权才能恢复，票据不行
the-store-refuses-writes-since-an = 此前一次写入失败，存储不再写入（{ $text }）；排除原因后重新打开
no-space-left = 空间不足：{ $text }

## engine/src/id.rs

is-not-an-id-of-64 = `{ $text }` 不是标识：应为 64 位十六进制数

## engine/src/verify.rs

class-is-not-in-the-slot = 类别 { $header } 不在它的表所写的槽位

## engine/src/audit/chain.rs

a-record-is-cut-short-and = 一条记录不完整，而日志在它之后还有内容
the-log-continues-from-record-not = 日志从记录 { $to } 接着写，而不是从这一条
the-log-ends-here-but-a = 日志到此为止，而一个检查点计入了 { $count } 条记录
bytes-before-the-end = { $why }，距末尾 { $torn } 字节
found-record-in-place-of-record = 在记录 { $at } 的位置发现了记录 { $index }
it-does-not-name-the-record = 它没有写明前一条记录
a-checkpoint-of-records-names-another = 一个 { $point } 条记录的检查点所写的最后一条记录不同

## engine/src/audit/jump.rs

statement-is-no-checkpoint = 声明 { $checkpoint } 不是检查点
a-log-of-records-cannot-go = 有 { $after } 条记录的日志不能从 { $said } 条的检查点接着写
a-checkpoint-of-this-node-counts = 本节点的一个检查点计入了 { $to } 条记录，而日志只有 { $count } 条：本主目录是从备份恢复的，或是一份副本，或者日志曾被移走；从 { $encode } 接着写，在 { $count } { $head } 之后

## engine/src/ingest/assemble.rs

is-in-no-class-that-has = { $path } 所属的类别没有树
chunks-of-bytes-for-a-file = 数据块共 { $bytes } 字节，而文件是 { $size } 字节

## engine/src/ingest/cache.rs

a-block-s-checksum-is-wrong = 一块数据的校验和不对
installing-the-scan-cache = 启用扫描缓存 { $path }

## engine/src/ingest/collide.rs

some-systems-treat-its-name-as = 有些系统把它的名字与 `{ $kept }` 视为相同；请给其中一个改名

## engine/src/ingest/delete.rs

is-neither-a-share-like-50 = `{ $text }` 既不是比例（如 50%），也不是文件数（如 100）
of-published-files-are-no-longer = 已发布的 { $files2 } 个文件中有 { $files } 个已不在来源中，或现在被排除（{ $before } 字节中的 { $bytes } 字节），而一次发布最多可以减少 { $limit }：磁盘挂载了吗？目录对吗？如果它们确实要离开库，请把 --max-delete 调大再发布，最多 100%
files-at-new-paths = { $refusal }。新路径上的文件：{ $n_new } 个，共 { $n_size } 字节；如果目录改过名，它们就是其中的内容

## engine/src/ingest/exclude.rs

the-library-s-policy = 库的策略
the-option-exclude = --exclude
malformed-pattern-in = { $name } 中的模式 `{ $line }` 有误：{ $error }
has-more-than-patterns = { $name } 的模式超过 { $exclude_patterns } 条
the-patterns-of = { $name } 的模式：{ $error }
reading = 读取 { $name }
is-longer-than-bytes = { $name } 超过 { $exclude_bytes } 字节
is-not-utf-8-text-save = { $name } 不是 UTF-8 文本：请存为 UTF-8
excluded-by = 被 `{ $pattern }` 排除，列表：{ $w_list }

## engine/src/ingest/item.rs

a-symbolic-link-whose-target-is = 目标不是 UTF-8 的符号链接
a-symbolic-link-that-leads-out = 指向目录之外的符号链接，目标 { $target }
published-content-was-replaced-by-a = 已发布的内容被指向目录之外的符号链接替代，目标 { $target }；要让它离开库，请用 --exclude
published-content-was-replaced-by-a-2 = 已发布的内容被{ $w_special }替代；要让它离开库，请用 --exclude
its-content-cannot-be-listed = 无法列出它的内容：{ $error }
it-was-deleted-meanwhile = 它在其间被删除
special-file = 特殊文件

## engine/src/ingest/mod.rs

is-not-published = 不发布 { $path }：{ $why }
opening-the-source = 打开来源 { $path }
the-name-of-is-not-utf = { $path } 的名字不是 UTF-8：请改名，再发布
the-classes-sums-overflow = 各类别的累计数溢出

## engine/src/ingest/plan.rs

and-which-is-published-collide-rename = { $new } 与已发布的 { $old } 名字冲突；请给其中一个改名，再发布

## engine/src/ingest/room.rs

publishing-needs-about-bytes-and-the = 发布 { $ingest } 大约需要 { $needed } 字节，而存储只能收下 { $usable }；没有写入任何内容。请在那里腾出空间，或把主目录迁移到更大的磁盘；如果存储里已有其中大部分内容，只是路径不同，请用 --force 发布

## engine/src/ingest/run.rs

it-changes-while-it-is-read = 它在读取时变化

## engine/src/ingest/secret.rs

it-holds-a-secret-key-of = 其中有 chuan 的密钥
it-is-a-ticket-of-chuan = 它含有 chuan 的票据，票据里有秘密
it-is-a-backup-of-a = 它是 chuan 主目录的备份，含有主目录的密钥
it-is-a-home-of-chuan = 它是 chuan 的主目录，含有密钥
its-name-or-target-holds-a = 它的名字或链接目标含有 chuan 的秘密
is-or-lies-inside-the-chuan = { $source } 是 chuan 的主目录 { $folder }，或在其中：主目录含有密钥，永远不会发布；请发布别的目录

## engine/src/ingest/walk.rs

listing-the-source-folder = 列出来源目录
nothing-in-its-folder-is-published = { $error }；它所在的目录什么也不发布：请改正列表
its-name-is-not-utf-8 = 它的名字不是 UTF-8（字节 { $hex }）；请改名，例如用 convmv
an-unfinished-file-of-a-restore = 还原未完成的文件
rename-it = { $error }；请改名
rename-it-then-publish-again = { $error }：请改名，再发布
is-an-unfinished-file-of-a = { $name } 是还原未完成的文件：请发布还原出的目录
is-a-publish-a-folder-or = { $name } 是{ $w_special }：请发布目录或普通文件
symbolic-link = 符号链接
it-was-replaced-while-it-was = 它在读取时被替换

## engine/src/ledger/lost.rs

no-copy-has-it = 两份都没有它

## engine/src/ledger/plan.rs

has-format-version-which-this-chuan = { $side } 的格式版本是 { $version }，本版 chuan 读不了
is-the-ledger-of-another-node = { $side } 是另一个节点的账本，{ $node }
ledger-a-and-ledger-b-belong = ledger/a 与 ledger/b 属于两个不同的账本
ledger-a-and-ledger-b-both = ledger/a 与 ledger/b 的记录 { $number } 都有效，但内容不同
the-file-is-missing-or-is = 文件缺失，或者是另一份文件的第二个名字
the-header-is-damaged = 文件头已损坏
nothing-in-it-can-be-read = 其中没有可读的内容
the-last-batch-is-torn-it = 最后一批写入不完整；它从未得到确认，因此截掉
the-last-batch-is-missing-or = 最后一批写入缺失或不完整；由 ledger/a 补全
the-compaction-that-wrote-it-is = 写出它的那次压缩整理没有完成
it-is-older-than-the-last = 它早于最近一次压缩整理；由另一份重写
its-closing-record-is-missing = 它的结束记录缺失
records-to-are-missing-an-older = 记录 { $first } 至 { $last } 缺失：它被换成了一份旧副本

## engine/src/manifest/classifier.rs

class = 类别 `{ $class }`：{ $error }
the-classes-path-patterns = 各类别的路径模式：{ $error }
is-in-class-which-this-publisher = { $path } 属于类别 `{ $class }`，而这个发布者不能发布该类别；请把它移出目录
is-in-no-class-that-this = { $path } 不属于这个发布者可以发布的任何类别；请把它移出目录，或让某个类别的模式匹配它
is-in-two-classes-in-and = { $path } 属于两个类别：{ $one } 和 { $other }；请修改模式，使它只匹配一个
a-library-has-at-most-classes = 一个库最多有 { $classes } 个类别，包括已去掉的
invalid-class-name-use-1-to = 类别名 `{ $name }` 无效：应为 1 到 64 字节的可见字符，不含 *?[]{"{"}{"}"},/
class-has-slot-which-is-out = 类别 `{ $name }` 的槽位 { $slot } 超出范围
class-or-its-slot-is-there = 类别 `{ $name }` 或它的槽位出现了两次
class-has-the-paths-that-are = 类别 `{ $name }` 收入不属于其他类别的路径：它不能写模式

## engine/src/manifest/path.rs

link-its-target = 链接 { $path } 的目标 { $target } { $rule }
is-absolute = 是绝对路径
leads-out-of-the-library = 指向库之外
is-empty = 是空的
is-longer-than-4-096-bytes = 超过 4,096 字节
has-a-control-character = 含有控制字符
goes-up-again-after-it-went = 先向下又向上
path = 路径 { $shortened } { $rule }
has-an-empty-component = 有空的一级
has-a-or-component = 有一级是 `.` 或 `..`
has-a-component-longer-than-255 = 有一级超过 255 字节
has-more-than-64-components = 超过 64 级

## engine/src/manifest/pattern.rs

malformed-path-pattern = 路径模式有误：{ $error }

## engine/src/manifest/policy.rs

class-rules = 类别规则
are-of-chuan-0-1-0 = 属于 chuan 0.1.0，本版读不了
are-of-version-a-newer-chuan = 版本是 { $version }：由更新版本的 chuan 写成
malformed-class-rules-they-must-be = 类别规则有误：必须为空，或有一个模式或路径
a-class-has-at-most-patterns = 一个类别最多有 { $class_patterns } 个模式
the-patterns-of-a-class-must = 一个类别的模式必须按升序排列，不得重复
pattern-must-have-1-to-bytes = 模式 `{ $pattern }` 必须为 1 到 { $class_pattern_bytes } 字节，不含控制字符
a-class-has-at-most-fallback = 一个类别最多有 { $class_fallbacks } 个替代路径
the-fallback-path-is-there-twice = 替代路径 `{ $path }` 出现了两次
a-class-s-rules-take-at = 一个类别的规则最多占 { $class_policy_bytes } 字节，这里是 { $bytes }：请减少或缩短模式
have-a-text-that-is-not = 有一段文本不是 UTF-8

## engine/src/manifest/trespass.rs

a-path-belongs-to-another-class = 一个路径属于别的类别

## engine/src/restore/action.rs

move-it-away-or-restore-with = 请把它移开，或用 --delete 还原
a-file-or-link-that-this = 一个不是由这次还原写入的文件或链接，占着目录的位置：{ $remedy }
a-folder-that-this-restore-did = 一个不是由这次还原建立的目录占着位置：{ $remedy }
things = { $foreign } 个项目
a-folder-with-that-this-restore = 一个目录占着位置，其中有 { $things }不是由这次还原写入的：{ $remedy }
it-is-the-home-of-a = 它是节点的主目录，或主目录的一部分：不触动其中任何东西
the-release-has-a-file-or = 发布版本在应为目录之处有一个文件或链接
it-cannot-be-examined-or-listed = 无法查看或列出：{ $error }
needs-a-newer-version-of-chuan = { $path } 需要更新版本的 chuan（扩展 { $tag }）；请升级后再还原

## engine/src/restore/destination.rs

opening-the-destination = 打开目标目录 { $dest }
looking-at = 查看
making-the-link = 建立链接
with-the-option-no-hard-links = 用 --no-hard-links 可把它写成单独的文件
linking-to-in-the-destination = 在目标目录中把 { $path } 链接到 { $first }（{ $remedy }）
in-the-destination-changed-while-was = 把 { $path } 链接到目标目录中的 { $first } 时，后者变了
putting-in-its-place = 改名就位
making-the-folder = 建立目录
opening-the-folder = 打开目录
in-the-destination-changed-while-the = 还原期间，目标目录中的 { $shown } 变了；保持原样
removing-the-folder = 删除目录
in-the-destination = { $doing }：目标目录中的 { $shown }

## engine/src/restore/disk.rs

listing-the-destination = 列出目标目录 { $dest }
listing-the-destination-7 = 列出目标目录

## engine/src/restore/failures.rs

n-1-path-under-it-is-not = （其下 1 个路径未还原）
paths-under-it-are-not-restored = （其下 { $beneath } 个路径未还原）

## engine/src/restore/levels.rs

opening-the-folder-of-in-the = 打开目标目录中 { $shown } 所在的目录
path-leads-out-of-the-destination = 路径 { $shown } 指向目标目录之外；不写入
is-or-lies-in-the-home = { $shown } 是节点的主目录或其一部分，或在其中：不触动其中任何东西
in-the-destination-is-in-the = 目标目录中的 { $shown } 占着位置（应为目录处是文件或链接，或者相反）：请移开它，再还原

## engine/src/restore/mod.rs

making-the-destination = 建立目标目录 { $dest }
syncing-the-destination = 把目标目录 { $dest } 落盘
resolving-the-destination = 解析目标目录 { $dest }
the-destination-is-or-lies-in = 目标目录 { $dest } 是节点的主目录 { $home } 或其一部分，或在其中：不会还原到主目录里；请换一个目录
locking-the-destination = 给目标目录 { $dest } 加锁
another-restore-is-writing-to-wait = 另一个还原正在写 { $dest }；请等它结束，或换一个目标目录
restoring-needs-bytes-and-has-free = 还原需要 { $needed } 字节，而 { $restore } 只有 { $free } 可用；请腾出空间，还原到别处，或用 --path 少还原一些

## engine/src/restore/old.rs

opening-a-clone-once-more = 再次打开克隆的文件

## engine/src/restore/range.rs

writing-the-output = 写输出
the-manifest-says-that-chunk-has = { $file }清单写明数据块 { $chunk } 有 { $chunk2 } 字节；实际有 { $bytes }

## engine/src/restore/record.rs

the-destination-s-path-has-bytes = 目标目录的路径有 { $folder } 字节；最多 { $folder_bytes }
writing-the-record-of-restored-files = 写还原记录 { $record }

## engine/src/restore/remove.rs

is-not-removed = 未删除 { $shown }：{ $error }
removing-from-the-destination = 从目标目录中删除 { $shown }
it-is-too-deep = 它太深
a-file-system-is-mounted-there = 那里挂载了文件系统
it-is-the-home-of-a-node = 它是节点的主目录，或主目录的一部分

## engine/src/restore/select.rs

nothing-in-the-release-is-called = 发布版本中没有叫 `{ $filter }` 或与之匹配的项目；`chuan ls` 列出它的路径

## engine/src/restore/temp.rs

the-release-or-the-destination-has = 发布版本或目标目录里已有 { $prefix }0{ $suffix } 等路径：还原给未完成文件用的名字都被占了
making-the-folder-for-unfinished-files = 在目标目录中为未完成的文件建立目录
no-folder-for-unfinished-files-in = 目标目录中没有放未完成文件的目录
a-file-system-was-mounted-at = 其间在 { $levels } 挂载了文件系统
another-program-created-there-meanwhile-restore = 其间另一个程序在那里建立了 { $name }；请再还原一次

## engine/src/restore/write.rs

has-bytes-of-chunks-but-a = { $path } 的数据块共 { $taken } 字节，而大小是 { $size }
setting-extended-attributes-of-in-the = 设置目标目录中 { $target } 的扩展属性
in-the-destination-vanished-while-the = 还原期间，目标目录中的 { $target } 消失了
is-a-hard-link-to-which = { $target } 是 { $first } 的硬链接，而后者未能还原或其间变了
in-the-destination-vanished-while-it = 目标目录中的 { $target } 在建立时消失了
writing-in-the-destination = 写目标目录中的 { $target }
setting-mode-and-time-of-in = 设置目标目录中 { $target } 的权限和时间

## engine/src/sync/fetch.rs

a-fetch-into-the-objects-of = 取到另一个库的数据
an-answer-continues-after-its-end = 应答在结束之后还有内容
the-source-sent-bytes-of-no = 源发来了 { $wasted } 字节没有用的数据，超过有用的全部字节
an-answer-ended-without-its-end = 应答没有结束标记就停了
a-frame-of-kind-is-out = 种类为 `{ $frame }` 的帧位置不对

## engine/src/sync/message.rs

bytes-of-a-hello = 招呼消息的字节
bytes-of-a-name = 名字的字节
bytes-of-a-channel-s-name = 频道名的字节
bytes-of-a-class-s-name = 类别名的字节
known-statements = 已知的声明
ranges-of-a-request-must-ascend = 请求的区间必须按升序排列、互不相接、不为空
bytes-of-a-refusal = 拒绝文本的字节
the-peer-says = （对方说：{ $text }）
the-peer-does-not-know-this = 对方不认识本节点为成员；请取得票据并执行 `chuan join`{ $text }
the-peer-does-not-have-the = 对方没有所请求的数据；请换一个源{ $text }
the-peer-refused-the-request-as = 对方认为请求的格式有误而拒绝{ $text }
the-peer-is-busy-try-again = 对方正忙；请稍后再试{ $text }
the-peer-failed-look-at-its = 对方出了故障；请看它的日志{ $text }
the-peer-uses-another-version-of = 对方使用另一个版本的协议{ $text }
a-message-has-more-than = 一条消息有 { $count } 个{ $what }，超过 { $limit }
a-request-names-no = 请求没有写明{ $what }

## engine/src/sync/fetch/claim.rs

more-than-statements-of-bytes-in = 应答中的声明超过 { $answer_statements } 条或 { $answer_statements_bytes } 字节
a-statement-of-another-library-in = 应答中有另一个库的声明
its-root-is-not-accepted = 不接受它的根：{ $reason }
its-is-ineffective = 它的 { $statement } 无效：{ $reason }
its-is-not-authorized = 它的 { $statement } 无权：{ $reason }
channel = 频道 `{ $name }`
release = 版本 { $release }
no-statement-was-rejected = 没有声明被拒绝
the-source-s-statements-do-not = 源的声明不能证明该库的{ $what }：{ $why }

## engine/src/sync/fetch/completing.rs

the-release-has-no-class-or = 发布版本没有类别 `{ $name }`，或者源没有给出
the-source-does-not-hold-class = 源没有类别 { $class }，或没有给出，或者发布版本没有这个类别；请从别的源拉取；都没有时，请问操作员 `chuan members` 显示授权了哪些类别
no-class-of-the-release-is = 发布版本中没有授权给本节点的类别
no-class-of-the-release-is-granted = 发布版本中没有授权给本节点的类别：授权写的是 `{ $named }`，而发布版本没有这样的类别；由操作员用 `chuan grant` 更改
the-source-lacks-pages-or-chunks = 源缺少类别 `{ $header }` 的 { $undelivered } 个页或数据块；请再从别的源拉取

## engine/src/sync/fetch/opening.rs

class-header-is-not-in-the = 类别头 { $commitment } 不在表里
the-release-lists-the-class-in = 发布版本把槽位 { $slot } 的类别列为 `{ $listed }`，而它的类别头写的是 `{ $header }`：发布者制作了无效的版本；请操作员把频道移到别的版本
an-unexpected-holding-frame = 不应出现的 Holding 帧
the-source-s-class-table-is = 源的类别表不是发布版本所写的那一份
the-source-sent-no-class-table = 源没有发来发布版本的类别表

has-zero-bytes-as-text-in-utf = { $v1 } 含有零字节，UTF-16 文本就是这样：请另存为 UTF-8
is-a-not-a-file-with-patterns = { $v1 } 是 { $v2 }，不是模式文件；请改正或删除
it-is-a-record-of-chuan-about = 它是 chuan 关于这台机器及其密钥的记录
link-that-leads-to-no-file-of = 链接没有指向所发布目录中的文件（{ $v1 }）
link-to-something-else-than-a-file = 链接指向的不是文件
opening = 打开 { $v1 }
pattern-matches-no-path-of-a-release = 模式 `{ $v1 }` 不可能匹配任何路径：请从所发布的目录写起，不含 `.`、`..` 和空的部分
pattern-names-no-path-matches-every-path = 模式 `{ $v1 }` 没有写出路径；`**` 匹配所有路径
it-belongs-to-user-and-this-process = 它属于用户 { $v1 }，而本进程以用户 { $v2 } 的身份工作
it-is-a-link-which-is-not = 它是链接，不会跟随
it-is-not-a-regular-file = 它不是普通文件
in-the-destination-changed-while-it-was = 目标中的 { $v1 } 在复制时发生了变化
the-release-needs-about-bytes-and-the = 发布版本约需 { $v1 } 字节，存储还能容纳 { $v2 } 字节；没有取数据块。请腾出空间，或把主目录移到更大的磁盘
