### The sentences of the crates `chuan-storage` and `chuan-net` in Chinese, by the ids of `../en/storage.ftl`.


## net/src/connection.rs

it-does-not-read-the-hello = 它不读取招呼消息
tls-gives-no-keying-material-connect = TLS 没有给出密钥材料；请重新连接
an-answer-had-no-end = 应答没有结束标记
the-peer-no-longer-accepts-this = 对方不再承认本节点是成员；下一次请求会说明原因
it-gave-up-answering = 它不再应答
it-has-sent-nothing-or-almost = 它在一分钟内什么也没发，或几乎没发
its-answer-ended-early = 它的应答提前结束

## net/src/dial.rs

a-node-without-addresses = 没有地址的节点
none-is-known = 一个也不知道
dialling-failed = 拨号失败：{ $error }
its-name-was-not-resolved-in = 它的名字没有及时解析出来
no-answer = 没有应答
it-proved-no-key = 它没有证明任何密钥
node-at = 节点 { $expected }（{ $addresses }）
it-restarted = 它重新启动了
closed-here = 在本地关闭
it-is-stopping = 它正在停止
it-speaks-another-version-of-the = 它使用另一个版本的协议；请让两个节点使用同一版本

## net/src/driver.rs

the-hello-speaks-another-version = 招呼消息属于另一个版本
too-many-strangers-are-here-try = 这里的陌生节点太多；请再试一次
the-hello-names-another-node-than = 招呼消息所写的节点与握手所证明的不同
the-hello-did-not-come-in = 招呼消息没有及时到达
the-connection-ended-before-the-hello = 连接在招呼消息之前就断了
the-first-stream-is-no-hello = 第一个流不是招呼消息
a-request-longer-than-a-peer = 请求太长，不是成员的节点不能发
a-stream-must-begin-with-a = 流必须以请求开头

## net/src/endpoint.rs

cannot-run-quic-on-the-socket = 无法在套接字上运行 QUIC
cannot-read-the-socket-s-address = 无法读取套接字的地址
cannot-set-up-quic = 无法设置 QUIC：{ $error }
cannot-dial = 无法拨号 { $address }：{ $error }
cannot-listen-on-udp = 无法监听 UDP { $address }
the-idle-time-out-does-not = 空闲超时的值不合适：{ $error }

## net/src/error.rs

the-node-at-proved-another-key = { $address } 上的节点证明的密钥（节点标识 { $proved }）与预期的（{ $expected }）不同；请检查地址；如果地址正确，`chuan pull --from HOST:PORT` 会得知新密钥，用它的操作员的新票据执行 `chuan join` 也可以
lost-what-has-arrived-is-kept = 与{ $peer }失去连接：{ $cause }；已到达的内容都会保留，请再执行同一条命令，或用 --from 指定另一个源
is-busy-try-again-later = { $text } 正忙；请稍后再试
broke-the-protocol = { $peer } 违反协议：{ $text }
cannot-set-up-tls = 无法设置 TLS：{ $error }

## net/src/identity.rs

tls-1-2-is-not-supported = 不支持 TLS 1.2

## net/src/pull.rs

the-thread-that-reads-the-answers = 读取应答的线程失败：{ $error }

## net/src/serve.rs

it-took-too-long = 它用时太长

## storage/src/digest.rs

everything-before-offset = 偏移 { $to } 之前的全部内容
at-offset-is-damaged = { $view } 偏移 { $offset } 处：{ $what }已损坏

## storage/src/disk.rs

start-the-store-s-disk-thread = 启动存储的磁盘线程
the-store-s-disk-thread-is = 存储的磁盘线程已不在
a-segment-beyond-4-gib = 段文件超过 4 GiB
the-disk-is-full = 磁盘已满
a-group-without-a-segment = 没有段文件的组

## storage/src/file.rs

open = 打开 { $path }

## storage/src/give_back.rs

the-index-is-being-rebuilt-no = 索引正在重建；不归还空间
give-back-the-room-of = 归还 { $path } 的空间

## storage/src/layout.rs

make = 建立 { $segments }
list = 列出 { $dir }
sync = 把 { $dir } 落盘

## storage/src/lock.rs

lock = 给 { $path } 加锁
another-process = 另一个进程
is-in-use-by = { $home } 正被{ $holder }使用

## storage/src/log.rs

a-record-without-a-group = 没有组的记录
ask-for-randomness = 索取随机数

## storage/src/objects.rs

the-store-s-threads-are-gone = 存储的线程已不在

## storage/src/queue.rs

the-disk-is-full-up-to = 磁盘已满，只剩保留的空间
the-store-is-closed = 存储已关闭
then-start-again = { $text }；然后重新启动
a-thread-of-the-store-panicked = 存储的一个线程异常终止

## storage/src/reader.rs

read = 读取 { $path }
at-offset-pull-it-again = { $layout } 偏移 { $offset } 处：{ $what }；请重新拉取
the-record-cannot-be-read = 记录无法读取
the-segment-is-unknown-or-belongs = 段文件不明，或属于另一个库
the-record-s-header-is-damaged = 记录头已损坏
the-record-does-not-match-its = 记录与它的标识不符

## storage/src/rebuild.rs

the-index-is-being-rebuilt-already = 索引已在重建；请等它结束

## storage/src/recover.rs

the-index-knows-another-segment-than = 索引所知的段文件与 { $path } 不同；重建索引
at-offset-0-the-segment-header = { $view } 偏移 0 处：段文件头已损坏
at-offset-the-file-ends-here = { $path } 偏移 { $view } 处：文件到此为止，但已提交 { $start } 字节
the-footer-is-damaged = { $view }：段尾已损坏
at-offset-0-the-segment-header-is = { $view } 偏移 0 处：段文件头已损坏，所以不知道它属于哪个库；已隔离：其中的内容一概不读，文件保持原样
the-segment-file-is-gone-with = { $file }：段文件连同其中的全部记录都已不在
truncate = 截断 { $view }

## storage/src/scrub.rs

the-library-of-the-segment-is = 段文件属于哪个库不明：已隔离
the-segment-header-is-damaged = 段文件头已损坏
both-copies-of-the-segment-header = 段文件头的两份都已损坏；只有索引知道它属于哪个库
the-footer-is-damaged-7 = 段尾已损坏
the-file-ends-before-the-last = 文件在最后一个已提交的组之前就结束
no-record-can-be-read-before = 偏移 { $to } 之前没有可读的记录
the-index-names-a-record-that = 索引列有一条并不存在的记录

## storage/src/settle.rs

start-the-store-s-syncing-thread = 启动存储的落盘线程
the-store-s-syncing-thread-is = 存储的落盘线程已不在

## storage/src/space.rs

ask-for-the-free-space-of = 查询 { $dir } 的可用空间
what-was-stored-before-is-intact = { $dir }：{ $what }；此前存储的内容完好。请在那里腾出空间，或把主目录迁移到更大的磁盘

## storage/src/store.rs

the-index-is-damaged-and-building = { $why }；索引已损坏，而重建需要空间
it-cannot-be-read-either = { $why }；也无法读取：{ $text }
it-was-found-damaged-while-it = 它在使用中被发现损坏

## storage/src/view.rs

has-format-and-this-chuan-reads = { $path } 的格式是 { $version }，而本版 chuan 只读格式 { $format_version }：请发布或拉取到新的主目录，然后删除这一个
has-format-a-newer-chuan-wrote = { $path } 的格式是 { $version }：由更新版本的 chuan 写成；请使用那个版本

## storage/src/walk.rs

read-at = 读取 { $path }，位置 { $base }

## storage/src/writer.rs

start-the-store-s-thread = 启动存储的线程

## storage/src/ledger/mod.rs

both-files-are-gone-while-the = 主目录打开期间，两份文件都不见了：请结束这个进程，再重新启动
a-ledger-just-mended-cannot-be = 刚修复的账本无法读取：磁盘正在失效
the-end-of-both-files-is = 两份文件的末尾都不见了
a-ledger-just-written-cannot-be = 刚写好的账本无法读取
record-of-is-damaged-in-both = { $pair } 的记录 { $arrival } 在两份中都已损坏；`chuan verify` 列出丢失了什么
the-home-is-open-for-reading = { $why }；修复之前，主目录以只读方式打开
records-to = 记录 { $record } 至 { $last }：{ $place }
a-statement-of-bytes-1-to = 声明有 { $bytes } 字节；只允许 1 到 { $limits }
a-channel-s-name-of-bytes = 频道名有 { $to } 字节

## storage/src/ledger/open.rs

both-files-of-the-ledger-were = 账本的两份文件都不见了
ledger-a-and-ledger-b-end = ledger/a 与 ledger/b 止于记录 { $highest }，而审计日志计入了 { $known }：它们被换成了较旧的一对；请用 `chuan pull` 向其他节点索取缺少的部分
an-older-pair-of-files-was = 放回了较旧的一对文件
the-ledger-cannot-be-mended = 账本无法修复：{ $error }
was-written-and-does-not-read = { $pair } 已写入，但读回的内容不符（{ $plan }）：磁盘正在失效
was-written-and-does-not-read-back = { $pair } 已写入，但读回的内容不符：磁盘正在失效
get-random-bytes-for-a-ledger = 为账本的标识取随机数
use-the-chuan-that-wrote-it = { $a }、{ $b }：{ $refusal }；请使用写成它的 chuan
put-the-right-file-back-or = { $a }、{ $b }：{ $refusal }；请放回正确的文件，或用 `chuan ledger show` 查看后，用 `chuan ledger keep a` 或 `chuan ledger keep b` 选定一份

## storage/src/ledger/pair.rs

make-room-in = 腾出空间于
set-aside = 另存

## storage/src/ledger/repair.rs

is-not-there-keep-the-other = { $path } 不存在；请保留另一份
nothing-in-can-be-read-keep = { $path } 中没有可读的内容；请保留另一份，或从备份放回一份

cannot-reach-check-that-it-runs-there = 连不上{ $v1 }：{ $v2 }；请检查它是否在运行（在那里执行 `chuan serve`），UDP 是否放行
the-store-refuses-writes-since-an-earlier = 此前一次写入失败（{ $v1 }），存储不再写入；有空间之后请重新启动
