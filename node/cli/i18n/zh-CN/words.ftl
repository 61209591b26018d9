### Parts of sentences in Chinese, by the ids of `../en/words.ftl`.


## Times and counts inside sentences.

age-whole-minutes = { $n_minutes } 分钟
age-whole-hours = { $n_hours } 小时
age-whole-days = { $n_days } 天
age-seconds = { $n_seconds } 秒
age-minutes = { $n_minutes } 分 { $n_seconds } 秒
age-hours = { $n_hours } 小时 { $n_minutes } 分
age-days = { $n_days } 天 { $n_hours } 小时
one-day = 1 天
several-days = { $n_days } 天
one-file = 1 个文件
several-files = { $n_files } 个文件
one-node = 1 个节点
several-nodes = { $n_nodes } 个节点
one-other-node = 1 个其他节点
several-other-nodes = { $n_nodes } 个其他节点
one-record = 1 条记录
several-records = { $n_records } 条记录
one-release = 1 个发布版本
several-releases = { $n_releases } 个发布版本
one-whole-copy = 1 个完整副本
several-whole-copies = { $n_copies } 个完整副本
one-thing = 1 个项目

## Errors of the system.

os-1 = 操作不允许（系统错误 1）
os-2 = 没有这个文件或目录（系统错误 2）
os-5 = 输入输出错误（系统错误 5）
os-11 = 资源暂时不可用（系统错误 11）
os-12 = 内存不足（系统错误 12）
os-13 = 没有权限（系统错误 13）
os-16 = 设备或资源正忙（系统错误 16）
os-17 = 文件已存在（系统错误 17）
os-18 = 不能跨文件系统链接（系统错误 18）
os-20 = 不是目录（系统错误 20）
os-21 = 是目录（系统错误 21）
os-22 = 参数无效（系统错误 22）
os-24 = 打开的文件太多（系统错误 24）
os-27 = 文件太大（系统错误 27）
os-28 = 磁盘没有空间（系统错误 28）
os-30 = 文件系统只读（系统错误 30）
os-36 = 文件名太长（系统错误 36）
os-39 = 目录不为空（系统错误 39）
os-40 = 符号链接层数太多（系统错误 40）
os-98 = 地址已被占用（系统错误 98）
os-99 = 不能使用这个地址（系统错误 99）
os-101 = 网络不可达（系统错误 101）
os-104 = 连接被对方重置（系统错误 104）
os-110 = 连接超时（系统错误 110）
os-111 = 连接被拒绝（系统错误 111）
os-113 = 没有到主机的路由（系统错误 113）
os-116 = 文件句柄已失效（系统错误 116）
os-122 = 超出磁盘配额（系统错误 122）

## Sentences of libraries.

unexpected-end = 文件不完整
not-utf8 = 内容不是 UTF-8
timed-out = 超时
unresolved = 无法解析名字：{ $why }
name-unknown = 名字不存在
name-temporary = 名字解析暂时失败

## Parts of sentences that are made elsewhere.

write-manual = 把手册页写到 { $dir }
invalid-class-name = 类别名 `{ $name }`：{ $why }
rights-pull = pull，{ $classes }
rights-watch = watch，{ $classes }
rights-both = pull、watch，{ $classes }
keys-one = 单把密钥
keys-threshold = { $n_keys } 取 { $n_threshold }
setting-junk = junk
setting-excludes = excludes
with-path-beneath = { $reason }（其下 1 个路径未还原）
with-paths-beneath = { $reason }（其下 { $n_paths } 个路径未还原）
index-needs = 索引需要 { $n_memory } MiB 内存和 { $n_threads } 个线程；请调高这个进程的限制（ulimit -v、ulimit -u），或结束别的程序
name-at = { $node }（{ $addresses }）
offset-at = { $path } 偏移 { $n_offset } 处：{ $what }
place-at = { $path } 偏移 { $n_offset } 处
in-process = 进程 { $n_pid }（{ $doing }）
in-class-by = `{ $name }`（按 `{ $pattern }`）
verbs-of-statement = pull、watch
ticket-for = 票据 { $ticket }，供 { $nodes }使用
policy-rows = { $library } 序号 { $n_sequence }，{ $n_rows } 行
root-of-version = { $library } 版本 { $n_version }
key-after = { $node }：密钥 { $new } 接替 { $old }
frame-cut-short = 记录帧不完整
frame-checksum = 记录帧的校验和不对
frame-record-checksum = 一条记录的校验和不对
frame-header = 记录与帧头不符
frame-none = 这里不是记录帧的开头
frame-missing = 这一记录帧之前的那一帧缺失
frame-numbers = 到达编号没有递增
object-not-held = 这里没有{ $object }；请重新拉取该库
object-damaged = { $object }在本地已损坏；请重新拉取该库，并检查磁盘
object-chunk = 数据块 { $id }
object-page = 页 { $id }

## Words.

none = 无
word-release = 发布版本
word-releases = 发布版本
word-node = 节点
word-channel = 频道
word-library = 库
word-class = 类别
word-pipe = 管道
word-socket = 套接字
word-device = 设备
word-junk = 系统垃圾文件
word-static = 静态
word-incremental = 增量
word-dynamic = 动态
word-is = 就是
word-contains = 包含
