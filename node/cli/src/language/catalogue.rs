//! The catalogues in the program, and the texts in them. A catalogue is parsed when its first text is shown.

use std::sync::OnceLock;

use fluent_bundle::{FluentArgs, FluentResource, concurrent::FluentBundle};

use super::Language;

/// The texts of this program, by language.
pub(super) const ANSWERS: [&str; 2] =
    [include_str!("../../i18n/en/answers.ftl"), include_str!("../../i18n/zh-CN/answers.ftl")];
/// The help in Chinese; in English it is in the comments of the grammar.
pub(super) const HELP: &str = include_str!("../../i18n/zh-CN/help.ftl");

/// The sentences of other crates: English, as they are made, and Chinese.
pub(super) const SENTENCES: [(&str, &str); 5] = [
    (include_str!("../../i18n/en/core.ftl"), include_str!("../../i18n/zh-CN/core.ftl")),
    (include_str!("../../i18n/en/engine.ftl"), include_str!("../../i18n/zh-CN/engine.ftl")),
    (include_str!("../../i18n/en/statements.ftl"), include_str!("../../i18n/zh-CN/statements.ftl")),
    (include_str!("../../i18n/en/storage.ftl"), include_str!("../../i18n/zh-CN/storage.ftl")),
    (include_str!("../../i18n/en/words.ftl"), include_str!("../../i18n/zh-CN/words.ftl")),
];

/// Texts in one language.
pub(super) struct Catalogue {
    bundle: FluentBundle<FluentResource>,
}

impl Catalogue {
    /// The texts of this program.
    pub(super) fn answers(language: Language) -> &'static Self {
        static ENGLISH: OnceLock<Catalogue> = OnceLock::new();
        static CHINESE: OnceLock<Catalogue> = OnceLock::new();
        let [english, chinese] = ANSWERS;
        match language {
            Language::English => ENGLISH.get_or_init(|| Self::new("en", [english])),
            Language::Chinese => CHINESE.get_or_init(|| Self::new("zh-CN", [chinese])),
        }
    }

    /// The help in Chinese.
    pub(super) fn help() -> &'static Self {
        static HELP_TEXTS: OnceLock<Catalogue> = OnceLock::new();
        HELP_TEXTS.get_or_init(|| Self::new("zh-CN", [HELP]))
    }

    /// The sentences of other crates in Chinese.
    pub(super) fn sentences() -> &'static Self {
        static CHINESE: OnceLock<Catalogue> = OnceLock::new();
        CHINESE.get_or_init(|| Self::new("zh-CN", SENTENCES.map(|(_, chinese)| chinese)))
    }

    /// A catalogue of these files. Tests show that the files have no errors and no id twice.
    fn new<const N: usize>(language: &str, files: [&str; N]) -> Self {
        let mut bundle = FluentBundle::new_concurrent(language.parse().into_iter().collect());
        bundle.set_use_isolating(false);
        for file in files {
            let resource = FluentResource::try_new(file.to_owned()).unwrap_or_else(|(resource, _)| resource);
            let _ = bundle.add_resource(resource);
        }
        Self { bundle }
    }

    /// The text with this id; the id, if there is none.
    pub(super) fn format(&self, id: &str, args: &FluentArgs<'_>) -> String {
        let message = self.bundle.get_message(id);
        let Some(pattern) = message.and_then(|message| message.value()) else { return id.to_owned() };
        self.bundle.format_pattern(pattern, Some(args), &mut Vec::new()).into_owned()
    }

    /// The text of an attribute of a message, without variables.
    pub(super) fn attribute(&self, id: &str, name: &str) -> Option<String> {
        let attribute = self.bundle.get_message(id)?.get_attribute(name)?;
        Some(self.bundle.format_pattern(attribute.value(), None, &mut Vec::new()).into_owned())
    }

    /// The text of a message without variables.
    pub(super) fn value(&self, id: &str) -> Option<String> {
        let pattern = self.bundle.get_message(id)?.value()?;
        Some(self.bundle.format_pattern(pattern, None, &mut Vec::new()).into_owned())
    }
}
