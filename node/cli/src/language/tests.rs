//! The catalogues of both languages are complete, and have nothing more: texts of this program, sentences of
//! all crates, the help.

mod chinese;
mod scan;

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
};

use clap::{Command, error::ContextKind};
use fluent_syntax::{
    ast::{Entry, Expression, InlineExpression, Message, Pattern, PatternElement},
    parser,
};

use super::{
    Language,
    catalogue::{ANSWERS, Catalogue, HELP, SENTENCES},
    counted_in, help, sentences, usage,
};
use crate::{args, examples};

/// Variables that a text may have in English only: the number that decides between one and several, and the
/// verb of that number.
const ENGLISH_ONLY: [&str; 2] = ["number", "verb"];
/// Ids that the code makes from a word.
const MADE: [&str; 2] = ["count-", "word-"];
/// The file of parts of sentences, which are not literals of the code.
const PARTS: usize = 4;

thread_local! {
    /// The language of this thread.
    pub(super) static SPOKEN: Cell<Language> = const { Cell::new(Language::English) };
}

/// Runs `work` in Chinese.
fn in_chinese<T>(work: impl FnOnce() -> T) -> T {
    SPOKEN.set(Language::Chinese);
    let result = work();
    SPOKEN.set(Language::English);
    result
}

type Variables = BTreeMap<String, BTreeSet<String>>;

fn messages(file: &'static str) -> Vec<Message<&'static str>> {
    let resource = parser::parse(file).unwrap_or_else(|(_, errors)| panic!("{errors:?}"));
    let message = |entry| match entry {
        Entry::Message(message) => Some(message),
        Entry::Junk { content } => panic!("{content}"),
        _ => None,
    };
    resource.body.into_iter().filter_map(message).collect()
}

/// The variables of each text of a file.
fn variables(file: &'static str) -> Variables {
    let mut found = Variables::new();
    for message in messages(file) {
        let mut names = BTreeSet::new();
        add_variables(message.value.as_ref().unwrap(), &mut names);
        assert!(
            found.insert(message.id.name.to_owned(), names).is_none(),
            "{} is there twice",
            message.id.name
        );
    }
    found
}

fn add_variables(pattern: &Pattern<&str>, names: &mut BTreeSet<String>) {
    for element in &pattern.elements {
        let PatternElement::Placeable { expression } = element else { continue };
        let (Expression::Inline(inline) | Expression::Select { selector: inline, .. }) = expression;
        if let InlineExpression::VariableReference { id } = inline {
            names.insert(id.name.to_owned());
        }
        if let Expression::Select { variants, .. } = expression {
            variants.iter().for_each(|variant| add_variables(&variant.value, names));
        }
    }
}

fn is_chinese(text: &str) -> bool {
    text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c))
}

#[test]
fn both_languages_have_the_same_texts_and_variables() {
    let [english, chinese] = ANSWERS;
    let files = [(english, chinese)].into_iter().chain(SENTENCES);
    let mut problems = Vec::new();
    for (english, chinese) in files {
        let (english, chinese) = (variables(english), variables(chinese));
        for (id, names) in &english {
            let Some(translated) = chinese.get(id) else {
                problems.push(format!("{id} has no Chinese"));
                continue;
            };
            let lacks = names.difference(translated).filter(|name| !ENGLISH_ONLY.contains(&name.as_str()));
            problems.extend(lacks.map(|name| format!("{id} in Chinese lacks ${name}")));
            problems
                .extend(translated.difference(names).map(|name| format!("{id} in English lacks ${name}")));
        }
        let more = chinese.keys().filter(|id| !english.contains_key(*id));
        problems.extend(more.map(|id| format!("{id} has no English")));
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn no_sentence_has_an_id_twice() {
    let mut ids = BTreeSet::new();
    for id in SENTENCES.iter().flat_map(|(english, _)| variables(english).into_keys()) {
        assert!(ids.insert(id.clone()), "{id} is in two files");
    }
}

#[test]
fn the_code_and_the_catalogue_have_the_same_texts() {
    let catalogue = variables(ANSWERS[0]);
    let (mut used, mut problems) = (BTreeSet::new(), Vec::new());
    for (file, source) in scan::sources("node/cli/src") {
        if file.contains("/language/tests") {
            continue;
        }
        for (id, names) in scan::texts(&source) {
            match catalogue.get(&id) {
                None => problems.push(format!("{file}: `{id}` is not in the catalogue")),
                Some(known) if *known != names => {
                    problems.push(format!("{file}: `{id}` has {names:?}, the catalogue {known:?}"));
                }
                Some(_) => {}
            }
            used.insert(id);
        }
        if !file.contains("/language/") {
            used.extend(scan::nouns(&source).into_iter().map(|noun| format!("count-{noun}")));
        }
    }
    let made: BTreeSet<_> = used.iter().filter(|id| MADE.iter().any(|start| id.starts_with(start))).collect();
    problems
        .extend(made.iter().filter(|id| !catalogue.contains_key(**id)).map(|id| format!("no text `{id}`")));
    let unused = catalogue.keys().filter(|id| !used.contains(*id) && !id.starts_with("word-"));
    problems.extend(unused.map(|id| format!("`{id}` is not used")));
    assert!(used.len() > 250, "only {} texts found, this test reads them wrong", used.len());
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn every_sentence_of_the_code_is_in_the_catalogue() {
    let with_gaps = |pattern: &sentences::Pattern| pattern.with_gaps(scan::GAP);
    let patterns = |(english, _): &(&'static str, _)| sentences::patterns_of(english);
    let known: Vec<BTreeSet<String>> =
        SENTENCES.iter().map(|file| patterns(file).iter().map(with_gaps).collect()).collect();
    let all: BTreeSet<&String> = known.iter().flatten().collect();
    let said = scan::sentences();
    let mut problems: BTreeSet<String> = said
        .iter()
        .filter(|(sentence, _)| !all.contains(sentence))
        .map(|(sentence, file)| {
            format!("{file}: not in the catalogue: {}", sentence.replace(scan::GAP, "{}"))
        })
        .collect();
    let said: BTreeSet<&String> = said.iter().map(|(sentence, _)| sentence).collect();
    let literal = known.iter().enumerate().filter(|(at, _)| *at != PARTS).flat_map(|(_, known)| known);
    problems.extend(
        literal
            .filter(|sentence| !said.contains(sentence))
            .map(|sentence| format!("not in the code: {}", sentence.replace(scan::GAP, "{}"))),
    );
    // Messages with a selector would be no patterns.
    let messages: usize = SENTENCES.iter().map(|(english, _)| messages(english).len()).sum();
    let patterns: usize = SENTENCES.iter().map(|file| patterns(file).len()).sum();
    assert_eq!(patterns, messages);
    assert!(said.len() > 800, "only {} sentences found, this test reads them wrong", said.len());
    assert!(problems.is_empty(), "{}", problems.into_iter().collect::<Vec<_>>().join("\n"));
}

/// Names of the help in Chinese: commands, `command.argument` and so on.
fn of_grammar(command: &Command, path: &str, found: &mut BTreeSet<String>) {
    let id = if path.is_empty() { "chuan".to_owned() } else { path.replace(' ', "-") };
    found.insert(id.clone());
    for arg in command.get_arguments().filter(|arg| !matches!(arg.get_id().as_str(), "help" | "version")) {
        found.insert(format!("{id}.{}", arg.get_id()));
        let explained = arg.get_possible_values().into_iter().filter(|value| value.get_help().is_some());
        let takes_values = arg.get_action().takes_values();
        let names = explained.filter(|value| !value.is_hide_set() && takes_values);
        found.extend(names.map(|value| format!("{id}.{}-{}", arg.get_id(), value.get_name())));
    }
    if command.get_long_about().is_some() {
        found.insert(format!("{id}.long"));
    }
    let examples = examples::of(path).iter().enumerate().filter(|(_, (_, effect))| !effect.is_empty());
    found.extend(examples.map(|(at, _)| format!("{id}.example-{}", at + 1)));
    for below in command.get_subcommands() {
        of_grammar(below, format!("{path} {}", below.get_name()).trim(), found);
    }
}

#[test]
fn the_help_is_complete_in_chinese() {
    // The texts that belong to no command.
    let sources = [include_str!("help.rs"), include_str!("../help.rs")];
    let ids = sources.iter().flat_map(|source| source.split('"').skip(1).step_by(2));
    let starts = ["clap-", "group-", "global-", "help-of-", "exit-", "examples"];
    let is_id = |text: &&str| starts.iter().any(|start| text.starts_with(start)) && !text.contains(' ');
    let mut expected: BTreeSet<String> = ids.filter(is_id).map(str::to_owned).collect();
    of_grammar(&args::command(), "", &mut expected);
    let mut found = BTreeSet::new();
    for message in messages(HELP) {
        let id = message.id.name;
        found.insert(id.to_owned());
        found.extend(message.attributes.iter().map(|attribute| format!("{id}.{}", attribute.id.name)));
    }
    let lacking: Vec<_> = expected.difference(&found).collect();
    let unused: Vec<_> = found.difference(&expected).collect();
    assert!(lacking.is_empty() && unused.is_empty(), "lacking: {lacking:?}\nnot in the grammar: {unused:?}");
}

fn each_command(command: &Command, check: &mut impl FnMut(&Command)) {
    check(command);
    command.get_subcommands().for_each(|below| each_command(below, check));
}

#[test]
fn no_english_is_left_in_the_help_of_a_command() {
    let program = in_chinese(args::command);
    program.clone().debug_assert();
    each_command(&program, &mut |command| {
        for is_long in [false, true] {
            let mut command = command.clone();
            let text = if is_long { command.render_long_help() } else { command.render_help() };
            for line in help::finished(&text.to_string()).lines() {
                let words = line.split(|c: char| !c.is_ascii_alphabetic() && !"-_.@/'".contains(c));
                let is_word = |word: &&str| word.len() > 1 && word.chars().all(|c| c.is_ascii_lowercase());
                let is_example = line.starts_with("  chuan ");
                assert!(
                    is_example || is_chinese(line) || words.filter(is_word).count() < 4,
                    "{}: {line}",
                    command.get_name()
                );
            }
        }
    });
}

#[test]
fn the_variables_of_the_locale_choose_the_language() {
    let of = |variables: &[(&str, &str)]| {
        Language::of(|name| {
            variables.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned())
        })
    };
    for (variables, expected) in [
        (&[][..], Language::English),
        (&[("LANG", "zh_CN.UTF-8")], Language::Chinese),
        (&[("LANG", "C.UTF-8")], Language::English),
        (&[("LANG", "de_DE.UTF-8")], Language::English),
        (&[("LANG", "zh_CN.UTF-8"), ("LC_ALL", "C")], Language::English),
        (&[("LANG", "en_US.UTF-8"), ("LC_MESSAGES", "zh_TW")], Language::Chinese),
        (&[("LANG", "zh_CN.UTF-8"), ("LC_ALL", "")], Language::Chinese),
        (&[("LANG", "en_US.UTF-8"), ("LANGUAGE", "de:zh_CN:en")], Language::Chinese),
        (&[("LANG", "zh_CN.UTF-8"), ("LANGUAGE", "en")], Language::English),
        (&[("LANG", "C"), ("LANGUAGE", "zh_CN")], Language::English),
    ] {
        assert_eq!(of(variables), expected, "{variables:?}");
    }
}

#[test]
fn counts_have_their_forms() {
    let texts =
        |number| [Language::English, Language::Chinese].map(|language| counted_in(language, number, "file"));
    assert_eq!(texts(1), ["1 file", "1 个文件"]);
    assert_eq!(texts(2), ["2 files", "2 个文件"]);
    assert_eq!(texts(9_007_199_254_740_993), ["9,007,199,254,740,993 files", "9,007,199,254,740,993 个文件"]);
}

#[test]
fn sentences_are_translated_with_the_sentences_in_them() {
    for (english, chinese) in [
        (
            "no home at /x; make one with `chuan init`, or give another one with the option `home`",
            "/x 没有主目录；请用 `chuan init` 建立，或用 --home 指定另一个",
        ),
        ("open /a b: Permission denied (os error 13)", "打开 /a b：没有权限（系统错误 13）"),
        (
            "not permitted: the node was revoked; an operator can grant it access again",
            "无权：该节点已被吊销；操作员可以重新授权",
        ),
        ("corrupt data: page ab: forged tree page", "数据损坏：页 ab：forged tree page"),
        ("/h/x.seg: the footer is damaged", "/h/x.seg：段尾已损坏"),
        (
            "the ticket expired 3 hours ago; ask for a new one with `chuan invite`",
            "票据已过期 3 小时；请用 `chuan invite` 索取新的",
        ),
        (
            "the peer does not know this node as a member; get a ticket and run `chuan join` (the peer says: no answer)",
            "对方不认识本节点为成员；请取得票据并执行 `chuan join`（对方说：没有应答）",
        ),
        ("removes publisher key ab12 for class trailers", "移除 publisher 密钥 ab12（类别 trailers）"),
        ("removes publisher key ab12", "移除 publisher 密钥 ab12"),
        (
            "cannot reach node ab at 127.0.0.1:4040: no answer; check that it runs (`chuan serve` there) and that UDP gets through",
            "连不上节点 ab（127.0.0.1:4040）：没有应答；请检查它是否在运行（在那里执行 `chuan serve`），UDP 是否放行",
        ),
        (
            "not restored: a: a file or link that this restore did not write is in the way of a folder: move it away, or restore with the option `delete` (4 paths under it are not restored)",
            "未还原：a：一个不是由这次还原写入的文件或链接，占着目录的位置：请把它移开，或用 --delete 还原（其下 4 个路径未还原）",
        ),
        (
            "class films: static mirrors; looked for every 5 min 0 s; copies in cn, eu; the newest 10 versions, and those of 90 d 0 h, are kept",
            "类别 films：静态镜像；每 5 分钟查看一次新版本；副本在 cn、eu；保留最新的 10 个版本，以及 90 天之内的版本",
        ),
        (
            "waiting for mirror-3 at 127.0.0.1:4040, localhost:4040: no answer yet",
            "正在等待 mirror-3（127.0.0.1:4040、localhost:4040）：还没有应答",
        ),
        ("/h/1.seg at 27: the record does not match its id", "/h/1.seg 偏移 27 处：记录与它的标识不符"),
        ("skipped: pipe: pipe", "已跳过：pipe（管道）"),
        ("/h is in use by process 7 (serve)", "/h 正被进程 7（serve）使用"),
        (
            "no library `films` here (known: none); join it with a ticket, or found it with `chuan publish`",
            "本地没有库 `films`（已知：无）；请用票据加入，或用 `chuan publish` 建立",
        ),
    ] {
        assert_eq!(sentences::chinese(english).as_deref(), Some(chinese));
    }
    assert_eq!(sentences::chinese("a sentence of a newer node"), None);
}

/// A name that a user chose is not translated, although it reads like a sentence.
#[test]
fn names_stay_as_they_are() {
    let english = "no library `no answer` here (known: another process); join it with a ticket, or found it with `chuan publish`";
    let chinese = sentences::chinese(english).unwrap();
    assert!(chinese.contains("`no answer`"), "{chinese}");
}

#[test]
fn errors_of_the_command_line_are_chinese() {
    for (line, text) in [
        ("chuan pull --nonsense", "没有 '--nonsense' 这个参数"),
        ("chuan pul", "没有 'pul' 这个命令\n  提示：是否想用 pull？"),
        ("chuan restore films", "缺少必需的参数：<DEST>"),
        ("chuan pull --packing best", "'--packing <HOW>' 的值 'best' 无效；可选值：auto、smallest、fastest"),
        (
            "chuan rotate --grace soon",
            "'--grace <TIME>' 的值 'soon' 无效：时长 `soon` 无效；请写 90s、15m、12h 或 7d",
        ),
        ("chuan pull --from", "'--from <PEER>' 需要一个值，但没有给出"),
        ("chuan pull --from a --from b", "参数 '--from <PEER>' 只能用一次"),
        ("chuan join chuan1x --ticket-file f", "参数 '"),
        ("chuan ledger keep", "缺少必需的参数：<SIDE>"),
    ] {
        let (error, lines) = in_chinese(|| {
            let error = args::parse_line(line.split(' ').map(Into::into).collect()).unwrap_err();
            let lines = usage::lines(&error);
            (error, lines)
        });
        assert!(lines.starts_with(text), "{line}: {lines}");
        let near = error.get(ContextKind::Usage).is_none() || lines.contains("用法：chuan");
        assert!(near && lines.ends_with("详细说明见 '--help'。"), "{lines}");
    }
}

#[test]
fn a_text_without_a_translation_is_found_by_its_id() {
    let catalogue = Catalogue::answers(Language::Chinese);
    assert_eq!(catalogue.value("yes").as_deref(), Some("是"));
    assert_eq!(catalogue.value("not-an-id"), None);
}
