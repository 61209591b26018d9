### Parts of sentences in Chinese, by the ids of `../en/words.ftl`.


## Times and counts inside sentences.

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
keys-threshold = { $n_keys } 取 { $n_threshold }
