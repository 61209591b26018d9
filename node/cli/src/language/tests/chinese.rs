//! The Chinese texts, each with sample values: no English word is left that has a Chinese one, marks are
//! full-width, and the terms are those of the glossary.

use std::fs;

use fluent_bundle::{FluentArgs, FluentValue};

use super::{messages, scan, variables};
use crate::{
    flags::{THERE, THERE_CHINESE},
    language::{
        catalogue::{ANSWERS, Catalogue, HELP, SENTENCES},
        sentences::{self, is_chinese, is_mark},
    },
};

/// Words that stay English outside backquotes: words that a user types or finds in a file, and names of
/// formats, systems and protocols. Words with a capital letter, a digit, `.`, `/` or `_` stay, too.
const FIXED: [&str; 32] = [
    "announce",
    "canary",
    "chuan",
    "class",
    "convmv",
    "edge",
    "every",
    "excludes",
    "films",
    "gitignore",
    "inode",
    "junk",
    "listen",
    "live",
    "mirror",
    "operator",
    "origin",
    "priority",
    "publisher",
    "pull",
    "region",
    "regions",
    "root",
    "rpo",
    "scrypt",
    "shell",
    "status",
    "timekeeper",
    "ulimit",
    "watch",
    "xattrs",
    "yes",
];
/// A sentence as the value of a variable that may be one, and its Chinese.
const SAMPLE: (&str, &str) = ("no answer", "没有应答");
/// Terms that the glossary has not, and its own.
const TERMS: [(&str, &str); 5] =
    [("放弃", "舍去"), ("固定", "钉住"), ("动词", "权限"), ("提案", "提议"), ("撤销", "吊销")];
/// Words that a reader misunderstood, and the right ones.
const MISLEADING: [(&str, &str); 5] = [
    ("时间全新", "时间戳全部更新"),
    ("参照界限", "理论下限"),
    ("1 取 1", "单把密钥"),
    ("计时员", "时间见证者"),
    ("出局", "失去成员资格"),
];
/// The Chinese pages.
const PAGES: [&str; 3] = ["docs/operations.zh-CN.md", "docs/trust.zh-CN.md", "README.zh-CN.md"];

/// The first word outside backquotes that should be Chinese.
pub(super) fn english_in(text: &str) -> Option<String> {
    let outside: Vec<&str> = text.split('`').step_by(2).collect();
    let outside = outside.join(" ");
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-_./@'’=".contains(c);
    let words = outside.split(|c: char| !is_part(c));
    let words = words.map(|word| word.trim_matches('\'').trim_end_matches(['.', '/']));
    let is_word = |word: &&str| word.len() > 1 && word.chars().all(|c| c.is_ascii_lowercase());
    words.filter(is_word).find(|word| !FIXED.contains(word)).map(str::to_owned)
}

/// The first place with a half-width mark, or a space, between Chinese characters.
fn bad_mark_in(text: &str) -> Option<String> {
    let outside: Vec<&str> = text.split('`').step_by(2).collect();
    outside.iter().find_map(|part| {
        let chars: Vec<char> = part.chars().collect();
        let bad = chars.windows(3).find(|three| match three {
            [before, ' ', after] => {
                (is_chinese(*before) || is_mark(*before)) && (is_chinese(*after) || is_mark(*after))
            }
            [before, ',' | ':' | ';', after] => is_chinese(*before) || is_chinese(*after) || is_mark(*after),
            _ => false,
        });
        bad.map(|three| three.iter().collect())
    })
}

fn problems_of(id: &str, text: &str) -> Vec<String> {
    let english = english_in(text).map(|word| format!("{id}: the English word `{word}` in: {text}"));
    let mark = bad_mark_in(text).map(|place| format!("{id}: the mark or space in `{place}` in: {text}"));
    english.into_iter().chain(mark).collect()
}

#[test]
fn english_words_and_half_width_marks_are_found() {
    assert_eq!(english_in("类别 default 未授权").as_deref(), Some("default"));
    assert_eq!(english_in("用 --dry-run 查看 live；`any thing`，docs/trust.md，ab12"), None);
    assert_eq!(bad_mark_in("无权, 请重试").as_deref(), Some("权, "));
    assert_eq!(bad_mark_in("1 个节点 的权限").as_deref(), Some("点 的"));
    assert_eq!(bad_mark_in("没有 films 的 1,000 项（a, b）"), None);
}

/// The texts of this program. A value is a name.
#[test]
fn the_texts_of_the_program_are_chinese() {
    let mut problems = Vec::new();
    for (id, names) in variables(ANSWERS[1]) {
        let args: FluentArgs<'_> =
            names.iter().map(|name| (name.as_str(), FluentValue::from("x1"))).collect();
        problems.extend(problems_of(&id, &Catalogue::answers(super::Language::Chinese).format(&id, &args)));
    }
    for message in messages(HELP) {
        let id = message.id.name;
        let texts = message.attributes.iter().filter(|attribute| !attribute.id.name.starts_with("example-"));
        let texts = texts.filter_map(|attribute| Catalogue::help().attribute(id, attribute.id.name));
        let args = [("value", FluentValue::from("x1"))].into_iter().collect();
        let value = Some(Catalogue::help().format(id, &args))
            .filter(|_| message.value.is_some() && id != "exit-codes");
        value.into_iter().chain(texts).for_each(|text| problems.extend(problems_of(id, &text)));
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Symptom: of a failure of several sources, the middle stayed English, since one sentence was taken to begin
/// at the first source and to end at the last one.
#[test]
fn each_sentence_is_translated_alone_and_beside_others() {
    let mut problems = Vec::new();
    for (english, _) in SENTENCES {
        for pattern in sentences::patterns_of(english) {
            let Some((id, text)) = pattern.sample(SAMPLE.0) else { continue };
            let Some(alone) = sentences::chinese(&text) else {
                problems.push(format!("{id}: not translated: {text}"));
                continue;
            };
            problems.extend(problems_of(id, &alone));
            let source = |port: u16, text: &str| format!("node ab12 at 127.0.0.1:{port}: {text}");
            let both = format!("{}; {}", source(4040, &text), source(4041, &text));
            let both = sentences::chinese(&both).unwrap_or_default();
            let expected =
                format!("节点 ab12（127.0.0.1:4040）：{alone}；节点 ab12（127.0.0.1:4041）：{alone}");
            if both != expected {
                problems.push(format!("{id}: of two sources: {both}\n    and not {expected}"));
            }
        }
    }
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

/// Symptom: the Chinese text named an option as "选项 `yes`", which cannot be typed; and a command for
/// another node got the `--home` of this one.
#[test]
fn options_and_commands_can_be_typed() {
    let mut problems = Vec::new();
    for (english, chinese) in [(ANSWERS[0], ANSWERS[1])].into_iter().chain(SENTENCES) {
        let lines = |file: &'static str| file.lines().filter_map(|line| line.split_once(" = "));
        for (id, text) in lines(chinese) {
            if text.contains("选项 `") {
                problems.push(format!("{id}: write the option as it is typed: {text}"));
            }
            let there = |text: &str| text.matches(&format!("`{THERE}")).count();
            let in_english =
                lines(english).find(|(other, _)| *other == id).map_or(0, |(_, text)| there(text));
            if in_english > text.matches(THERE_CHINESE).count() {
                problems.push(format!("{id}: a command for another node needs `{THERE_CHINESE}`: {text}"));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn the_terms_are_those_of_the_glossary() {
    let read = |name: &str| fs::read_to_string(scan::root().join(name)).unwrap();
    let glossary = read("docs/glossary.md");
    let pages = PAGES.map(|page| (page.to_owned(), read(page)));
    let catalogues = [ANSWERS[1], HELP].into_iter().chain(SENTENCES.map(|(_, chinese)| chinese));
    let catalogues = catalogues.enumerate().map(|(at, text)| (format!("catalogue {at}"), text.to_owned()));
    let texts: Vec<_> = catalogues.chain(pages).collect();
    let mut problems = Vec::new();
    for (_, term) in TERMS {
        if !glossary.contains(&format!("| {term} |")) {
            problems.push(format!("the glossary has no {term}"));
        }
    }
    for (other, term) in TERMS.into_iter().chain(MISLEADING) {
        for (name, text) in &texts {
            let lines = text.lines().filter(|line| line.contains(other));
            problems.extend(lines.map(|line| format!("{name}: {other} is {term}: {line}")));
        }
        assert!(texts.iter().any(|(_, text)| text.contains(term)), "no text has {term}");
    }
    // A threshold is made from numbers.
    assert_eq!(sentences::chinese("1 of 1").as_deref(), Some("单把密钥"));
    assert_eq!(sentences::chinese("2 of 3").as_deref(), Some("3 取 2"));
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Symptom: the Chinese pages quoted `root 1 of 1` or `is here already`, which a reader with a Chinese
/// program never sees. English stands in brackets after the Chinese; the log is English.
#[test]
fn the_pages_quote_the_chinese_texts() {
    let is_word = |word: &str| word.len() > 1 && word.chars().all(|c| c.is_ascii_lowercase());
    let (mut quotes, mut problems) = (0, Vec::new());
    for page in PAGES {
        let text = fs::read_to_string(scan::root().join(page)).unwrap();
        let outside: Vec<&str> = text.split("```").step_by(2).collect();
        for line in outside.iter().flat_map(|part| part.lines()) {
            let parts: Vec<&str> = line.split('`').collect();
            for (at, quote) in parts.iter().enumerate().skip(1).step_by(2) {
                let is_english = quote.split(' ').filter(|word| is_word(word)).count() > 2;
                if !is_english || quote.starts_with("chuan ") || quote.contains("--") {
                    continue;
                }
                quotes += 1;
                let before = parts.iter().take(at).copied().collect::<Vec<_>>().concat();
                let is_beside = before.matches('（').count() > before.matches('）').count();
                if !is_beside && !before.contains("日志中有") {
                    problems.push(format!("{page}: `{quote}` without its Chinese in: {line}"));
                }
            }
        }
    }
    assert!(quotes > 10, "only {quotes} quotes found, this test reads the pages wrong");
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
