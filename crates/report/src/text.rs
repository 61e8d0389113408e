//! Untrusted text made safe to show, and measured, wrapped and cut by the columns it takes.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Characters that would steer the terminal or reorder the text around them become `�`; line ends stay, tabs are
/// four blanks.
pub(crate) fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    for letter in text.replace("\r\n", "\n").chars() {
        match letter {
            '\n' => cleaned.push('\n'),
            '\t' => cleaned.push_str("    "),
            _ if steers(letter) => cleaned.push('\u{fffd}'),
            _ => cleaned.push(letter),
        }
    }
    cleaned
}

/// As [`clean`], on one line.
pub(crate) fn clean_line(text: &str) -> String {
    clean(text).replace('\n', " ")
}

/// Control characters, and the bidirectional overrides that make text read as what it is not.
pub(crate) fn steers(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}' | '\u{fffe}' | '\u{ffff}')
}

/// Terminal columns that `text` takes.
pub(crate) fn columns(text: &str) -> usize {
    text.width()
}

/// `text` broken at blanks into lines of at most `width` columns; a longer word is cut.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(2);
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            if !line.is_empty() && columns(&line) + 1 + columns(word) > width {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
            while columns(&line) > width {
                let rest = line.split_off(fitting(&line, width));
                lines.push(std::mem::replace(&mut line, rest));
            }
        }
        lines.push(line);
    }
    lines
}

/// `text` in at most `width` columns, its middle replaced by `…`: names of weights differ at both ends.
pub(crate) fn shorten(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let kept = width.saturating_sub(1);
    let head = &text[..fitting(text, kept / 2)];
    let mut start = text.len();
    let mut taken = 0;
    for (index, letter) in text.char_indices().rev() {
        taken += letter.width().unwrap_or(0);
        if taken > kept - kept / 2 {
            break;
        }
        start = index;
    }
    format!("{head}…{}", &text[start..])
}

/// `text` with blanks after it up to `width` columns.
pub(crate) fn pad_right(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(columns(text))))
}

/// `text` with blanks before it up to `width` columns.
pub(crate) fn pad_left(text: &str, width: usize) -> String {
    format!("{}{text}", " ".repeat(width.saturating_sub(columns(text))))
}

/// Bytes of the longest beginning of `text` within `width` columns.
fn fitting(text: &str, width: usize) -> usize {
    let mut taken = 0;
    for (index, letter) in text.char_indices() {
        taken += letter.width().unwrap_or(0);
        if taken > width {
            return index;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_that_steers_it() {
        let hostile = "a\u{1b}[31mred\u{7}\u{9b}2J\u{202e}txt\r\nb\tc\u{0}";
        let cleaned = clean(hostile);
        assert_eq!(cleaned, "a�[31mred��2J�txt\nb    c�");
        assert_eq!(clean_line("a\nb"), "a b");
    }

    #[test]
    fn wrapped_lines_fit_and_keep_every_word() {
        let text = "the quick brown fox 速い茶色の狐 jumps-over-a-very-long-word-without-blanks\n\nend";
        for width in 2..40 {
            let lines = wrap(text, width);
            assert!(lines.iter().all(|line| columns(line) <= width), "{width}: {lines:?}");
            let joined: String = lines.concat().replace(' ', "");
            assert_eq!(joined, text.replace([' ', '\n'], ""));
        }
    }

    #[test]
    fn shortened_names_keep_both_ends() {
        assert_eq!(shorten("model.layers.3.self_attn.q_proj", 15), "model.l….q_proj");
        assert_eq!(shorten("short", 15), "short");
        assert_eq!(shorten("anything", 1), "…");
        assert_eq!(shorten("anything", 0), "…");
        assert!(columns(&shorten("速い茶色の狐が飛ぶ", 8)) <= 8);
    }
}
