//! The measurements, as a table of medians in Markdown.

use std::{fmt::Write as _, time::Duration};

use chuan_benches::sample::median;

use crate::{
    machine::Description,
    measure::Measured,
    row::{Language, Task, Tool},
};

const BEGIN: &str = "<!-- bench-peers: filled by `make bench-peers PEERS_README=on` -->\n";
const END: &str = "<!-- /bench-peers -->";

/// Total time of a row after which it is not run again.
const SLOW: Duration = Duration::from_mins(1);

/// The reason for a missing figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    NotInstalled,
    NoFilm,
    Failed,
}

impl Reason {
    const fn text(self, language: Language) -> &'static str {
        let (english, chinese) = match self {
            Reason::NotInstalled => ("not run: not installed", "未运行：未安装"),
            Reason::NoFilm => ("not run: no ffmpeg to make a film with", "未运行：没有 ffmpeg 可制作影片"),
            Reason::Failed => {
                ("no figure: it failed, or took over five minutes", "无数字：失败，或超过五分钟")
            }
        };
        language.pick(english, chinese)
    }
}

#[derive(Debug)]
struct Sample {
    task: Task,
    tool: Tool,
    outcome: Result<Measured, Reason>,
}

/// All measurements.
#[derive(Debug, Default)]
pub(crate) struct Table {
    samples: Vec<Sample>,
}

impl Table {
    /// Adds one run of a row.
    pub(crate) fn add(&mut self, task: Task, tool: Tool, outcome: Result<Measured, Reason>) {
        let what = format!("  {:44} {:28}", task.name(Language::English), tool.name(Language::English));
        match &outcome {
            Ok(measured) => {
                let wire = measured.wire_bytes.map_or_else(String::new, |bytes| self::bytes(bytes as f64));
                eprintln!("{what} {:8.2} s {wire:>10}", measured.took.as_secs_f64());
            }
            Err(reason) => eprintln!("{what} {}", reason.text(Language::English)),
        }
        self.samples.push(Sample { task, tool, outcome });
    }

    /// Whether a tool should not repeat a task: it failed, or one run took very long.
    pub(crate) fn is_done(&self, task: Task, tool: Tool) -> bool {
        if self.of(task, tool).any(|outcome| outcome.is_err()) {
            return true;
        }
        let took = self.of(task, tool).filter_map(|outcome| outcome.ok()).map(|measured| measured.took);
        took.sum::<Duration>() > SLOW
    }

    /// The runs of the row with the most runs.
    fn runs(&self) -> usize {
        let rows = Task::ALL.into_iter().flat_map(|task| task.tools().iter().map(move |tool| (task, *tool)));
        rows.map(|(task, tool)| self.of(task, tool).count()).max().unwrap_or_default()
    }

    fn of(&self, task: Task, tool: Tool) -> impl Iterator<Item = Result<Measured, Reason>> {
        self.samples.iter().filter(move |one| one.task == task && one.tool == tool).map(|one| one.outcome)
    }

    /// Whether Chuan itself failed in a run.
    pub(crate) fn chuan_failed(&self) -> bool {
        self.samples.iter().any(|sample| {
            sample.tool.program().is_none()
                && sample.outcome.as_ref().is_err_and(|reason| *reason == Reason::Failed)
        })
    }

    /// The table, after the machine's description and before the explanation of its columns.
    pub(crate) fn markdown(&self, language: Language, description: &Description) -> String {
        let mut text = description.text(language);
        let header = language.pick(
            "| task | with | time, s | durable after, s | CPU, s | memory, MiB | on the wire |",
            "| 任务 | 工具 | 用时（秒） | 落盘用时（秒） | CPU（秒） | 内存（MiB） | 网络字节 |",
        );
        let _ = write!(text, "\n{header}\n| --- | --- | ---: | ---: | ---: | ---: | ---: |\n");
        for task in Task::ALL {
            for (at, tool) in task.tools().iter().enumerate() {
                let name = if at == 0 { task.name(language) } else { "" };
                let _ = writeln!(
                    text,
                    "| {name} | {} | {} |",
                    tool.name(language),
                    self.cells(task, *tool, language)
                );
            }
        }
        let _ = writeln!(text, "\n{}", legend(language));
        text
    }

    fn cells(&self, task: Task, tool: Tool, language: Language) -> String {
        let outcomes: Vec<_> = self.of(task, tool).collect();
        let measured: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.ok()).collect();
        let failure = outcomes.iter().find_map(|outcome| outcome.err());
        if let Some(reason) = failure.or(measured.is_empty().then_some(Reason::Failed)) {
            return format!("{} | | | |", reason.text(language));
        }
        let of = |value: fn(&Measured) -> f64| median(measured.iter().map(value).collect());
        let wire: Vec<_> =
            measured.iter().filter_map(|one| one.wire_bytes).map(|bytes| bytes as f64).collect();
        format!(
            "{:.2}{} | {:.2} | {:.2} | {:.0} | {}",
            of(|one| one.took.as_secs_f64()),
            if measured.len() < self.runs() { " \\*" } else { "" },
            of(|one| one.durable.as_secs_f64()),
            of(|one| one.cpu.as_secs_f64()),
            of(|one| one.peak_bytes as f64 / f64::from(1 << 20)),
            if wire.is_empty() { "–".to_owned() } else { bytes(median(wire)) },
        )
    }
}

fn bytes(count: f64) -> String {
    match count {
        ..1e4 => format!("{count:.0} B"),
        ..1e6 => format!("{:.0} kB", count / 1e3),
        ..1e8 => format!("{:.2} MB", count / 1e6),
        _ => format!("{:.0} MB", count / 1e6),
    }
}

fn legend(language: Language) -> &'static str {
    language.pick(
        "Time ends when the tool says it is done; \"durable after\" adds a `syncfs` of the disk that it wrote to, since most \
         tools leave that to the kernel. CPU is user and system time of all processes at both ends; memory is the peak \
         of the largest of them. Sources are in the page cache. chuan and sendme verify against a hash and encrypt, \
         ffsync does too, the rsync daemon does neither. A pull by chuan ends in its store, which serves and verifies; \
         files take a `restore`. What a tool does once before it serves (chuan `publish`, sendme's import) is not in the \
         copies' figures. \\*: fewer runs, because together they took over a minute.",
        "“用时”到工具报告完成为止；“落盘用时”再加上对所写磁盘的一次 `syncfs`，因为多数工具把落盘留给内核。CPU 为两端全部进程的\
         用户态与内核态时间之和；内存为其中最大进程的峰值。源数据都在页缓存中。chuan 与 sendme 按哈希校验并加密，ffsync 亦然，\
         rsync 守护进程两者皆无。chuan 的拉取止于它的存储（可供服务与校验），得到文件还需 `restore`。工具在提供服务之前一次性\
         完成的工作（chuan 的 `publish`、sendme 的导入）不计入复制的数字。\\*：累计超过一分钟，故运行次数较少。",
    )
}

/// Inserts `table` into its block in a document; `None` if the document has no such block.
pub(crate) fn replace_block(document: &str, table: &str) -> Option<String> {
    let (before, rest) = document.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}{table}{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(seconds: u64, wire_bytes: u64) -> Measured {
        let took = Duration::from_secs(seconds);
        Measured { took, durable: took * 2, cpu: took, peak_bytes: 7 << 20, wire_bytes: Some(wire_bytes) }
    }

    #[test]
    fn a_row_has_medians_and_a_failed_one_has_a_reason_and_no_figure() {
        let mut table = Table::default();
        for (seconds, bytes) in [(9, 40_000), (1, 41_000), (2, 9_000_000)] {
            table.add(Task::Copy, Tool::Rsync, Ok(measured(seconds, bytes)));
        }
        assert_eq!(table.cells(Task::Copy, Tool::Rsync, Language::English), "2.00 | 4.00 | 2.00 | 7 | 41 kB");
        table.add(Task::Copy, Tool::Rsync, Err(Reason::Failed));
        assert!(table.cells(Task::Copy, Tool::Rsync, Language::English).starts_with("no figure"));
        assert!(table.is_done(Task::Copy, Tool::Rsync));
        table.add(Task::SmallFiles, Tool::FfsyncTls, Ok(measured(61, 1)));
        assert!(table.is_done(Task::SmallFiles, Tool::FfsyncTls) && !table.is_done(Task::Copy, Tool::Sendme));
        let slow = table.cells(Task::SmallFiles, Tool::FfsyncTls, Language::English);
        assert!(slow.starts_with("61.00 \\* |"), "{slow}");
        assert!(!table.chuan_failed());
        table.add(Task::Copy, Tool::Chuan, Err(Reason::Failed));
        assert!(table.chuan_failed());
    }

    #[test]
    fn both_languages_have_the_same_rows_and_columns() {
        let table = Table::default();
        let [english, chinese] = [Language::English, Language::Chinese].map(|language| {
            let text = table.markdown(language, &Description::default());
            text.lines()
                .filter(|line| line.starts_with('|'))
                .map(|line| line.matches('|').count())
                .collect::<Vec<_>>()
        });
        assert_eq!(english, chinese);
        assert!(english.iter().all(|columns| *columns == 8), "{english:?}");
    }

    #[test]
    fn a_block_is_replaced_and_what_is_around_it_stays() {
        let document = format!("before\n{BEGIN}old\n{END}\nafter\n");
        let once = replace_block(&document, "new\n").unwrap();
        assert_eq!(once, format!("before\n{BEGIN}new\n{END}\nafter\n"));
        assert_eq!(replace_block(&once, "new\n").unwrap(), once);
        assert!(replace_block("no place", "new\n").is_none());
    }
}
