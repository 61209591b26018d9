//! Options in the texts of a node. A node writes "the option `max-delete`", since its caller may be a
//! program; here it becomes `--max-delete`.

use std::borrow::Cow;

use chuan_api::exit::Failure;

/// How a node's text begins to name an option.
const OPTION: &str = "the option `";

/// A text of a node, with options as they are typed.
pub(super) fn typed(text: &str) -> Cow<'_, str> {
    if text.contains(OPTION) { text.replace(OPTION, "`--").into() } else { text.into() }
}

/// A failure with options as they are typed.
pub(super) fn typed_failure(failure: &Failure) -> Failure {
    Failure { message: typed(&failure.message).into_owned(), ..failure.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_shown_as_they_are_typed() {
        let text = "name one with the option `from HOST:PORT`, or with the option `key` or CHUAN_KEY";
        assert_eq!(typed(text), "name one with `--from HOST:PORT`, or with `--key` or CHUAN_KEY");
        assert!(matches!(typed("the disk is full"), Cow::Borrowed(_)));
        assert_eq!(typed_failure(&Failure::usage("give the option `yes`")), Failure::usage("give `--yes`"));
    }
}
