//! Rules for the characters of texts that people compare: names, patterns and the fields of an audit record.

/// Characters that change a text invisibly, so that two different names could look the same.
pub(crate) fn is_invisible(c: char) -> bool {
    matches!(c, '\u{00ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}
