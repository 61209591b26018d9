//! The tasks and the tools: the rows of the table, in both languages of the documentation.

/// A language of the printed table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    English,
    Chinese,
}

/// A task that every tool of its row does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    TakeNew,
    TakeChanged,
    Copy,
    EditHeader,
    EditInserts,
    EditAudio,
    EditTrim,
    SmallFiles,
    SmallRestore,
}

impl Task {
    pub(crate) const ALL: [Task; 9] = [
        Task::TakeNew,
        Task::TakeChanged,
        Task::Copy,
        Task::EditHeader,
        Task::EditInserts,
        Task::EditAudio,
        Task::EditTrim,
        Task::SmallFiles,
        Task::SmallRestore,
    ];

    pub(crate) const fn name(self, language: Language) -> &'static str {
        let (english, chinese) = match self {
            Task::TakeNew => ("take in a new library", "导入新影片库"),
            Task::TakeChanged => {
                ("take it in again, 1 % changed, every time new", "再次导入：1 % 变化，时间戳全部更新")
            }
            Task::Copy => ("copy it to an empty peer", "复制到空节点"),
            Task::EditHeader => ("update a film: metadata, index at the front", "更新影片：元数据，索引前移"),
            Task::EditInserts => ("update a film: 20 random inserts", "更新影片：20 处随机插入"),
            Task::EditAudio => ("update a film: another audio track", "更新影片：更换音轨"),
            Task::EditTrim => ("update a film: the first quarter cut off", "更新影片：剪去开头四分之一"),
            Task::SmallFiles => ("copy small files to an empty peer", "复制大量小文件到空节点"),
            Task::SmallRestore => {
                ("write small files from what this machine holds", "用本机已有的数据写出大量小文件")
            }
        };
        language.pick(english, chinese)
    }

    /// The tools that do the task, in the order of the table.
    pub(crate) const fn tools(self) -> &'static [Tool] {
        match self {
            Task::TakeNew | Task::TakeChanged => &[Tool::Chuan, Tool::Restic, Tool::Borg, Tool::Casync],
            Task::Copy => {
                &[Tool::Chuan, Tool::ChuanFiles, Tool::Rsync, Tool::Sendme, Tool::FfsyncQuic, Tool::FfsyncTls]
            }
            Task::EditHeader | Task::EditInserts | Task::EditAudio | Task::EditTrim => {
                &[Tool::Chuan, Tool::Rsync, Tool::FfsyncTls, Tool::Patch]
            }
            Task::SmallFiles => &[Tool::Chuan, Tool::ChuanFiles, Tool::Rsync, Tool::FfsyncTls],
            Task::SmallRestore => &[Tool::ChuanRestore, Tool::RsyncLocal],
        }
    }
}

/// A program, and the way it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    Chuan,
    ChuanFiles,
    ChuanRestore,
    Rsync,
    RsyncLocal,
    Restic,
    Borg,
    Casync,
    Sendme,
    FfsyncQuic,
    FfsyncTls,
    Patch,
}

impl Tool {
    pub(crate) const fn name(self, language: Language) -> &'static str {
        let (english, chinese) = match self {
            Tool::Chuan => ("**chuan**", "**chuan**"),
            Tool::ChuanFiles => ("**chuan**, then `restore`", "**chuan**，再 `restore`"),
            Tool::ChuanRestore => ("**chuan** `restore`", "**chuan** `restore`"),
            Tool::RsyncLocal => ("rsync, folder to folder", "rsync，文件夹到文件夹"),
            Tool::Rsync => ("rsync daemon, plain text", "rsync 守护进程，明文"),
            Tool::Restic => ("restic", "restic"),
            Tool::Borg => ("borg", "borg"),
            Tool::Casync => ("casync", "casync"),
            Tool::Sendme => ("sendme (iroh-blobs)", "sendme（iroh-blobs）"),
            Tool::FfsyncQuic => ("ffsync, QUIC", "ffsync，QUIC"),
            Tool::FfsyncTls => ("ffsync, TLS", "ffsync，TLS"),
            Tool::Patch => ("`zstd --patch-from`, the bound", "`zstd --patch-from`，理论下限"),
        };
        language.pick(english, chinese)
    }

    /// The program to be found in `PATH`; Chuan's own binary is found otherwise.
    pub(crate) const fn program(self) -> Option<&'static str> {
        match self {
            Tool::Chuan | Tool::ChuanFiles | Tool::ChuanRestore => None,
            Tool::Rsync | Tool::RsyncLocal => Some("rsync"),
            Tool::Restic => Some("restic"),
            Tool::Borg => Some("borg"),
            Tool::Casync => Some("casync"),
            Tool::Sendme => Some("sendme"),
            Tool::FfsyncQuic | Tool::FfsyncTls => Some("ffsync"),
            Tool::Patch => Some("zstd"),
        }
    }
}

impl Language {
    pub(crate) const fn pick<'a>(self, english: &'a str, chinese: &'a str) -> &'a str {
        match self {
            Language::English => english,
            Language::Chinese => chinese,
        }
    }
}
