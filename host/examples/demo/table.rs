//! Tables made narrow enough to be read: cells by their names, keys by their ends, times by the clock.

/// The program's output, its tables made narrow. `named` knows the names values go by.
pub(crate) fn shortened<'a>(output: &str, named: impl Fn(&str) -> Option<&'a str>) -> Vec<String> {
    let lines: Vec<&str> = output.lines().collect();
    let Some((head, body)) = lines.split_first() else { return Vec::new() };
    let starts = columns(head);
    if starts.is_empty() {
        return lines.into_iter().map(str::to_owned).collect();
    }
    let end = body.iter().position(|line| line.starts_with("more: ")).unwrap_or(body.len());
    let (rows, notes) = body.split_at(end);
    let head = cells(head, &starts);
    let rows = rows.iter().map(|row| cells(row, &starts).iter().map(|cell| narrow(cell, &named)).collect());
    let rows: Vec<Vec<String>> = [head].into_iter().chain(rows).collect();
    aligned(&rows).into_iter().chain(notes.iter().map(|note| (*note).to_owned())).collect()
}

/// Where the columns of a table start, by its head, which is in capitals; nothing if this is no head.
fn columns(head: &str) -> Vec<usize> {
    if head.is_empty() || head.chars().any(|c| !c.is_ascii_uppercase() && c != ' ') || !head.contains("  ") {
        return Vec::new();
    }
    let spaces = |at: usize| head.chars().skip(at).take(2).all(|c| c == ' ');
    let starts = (2..head.len()).filter(|at| spaces(at - 2) && head.chars().nth(*at) != Some(' '));
    [0].into_iter().chain(starts).collect()
}

fn cells(line: &str, starts: &[usize]) -> Vec<String> {
    let ends = starts.iter().skip(1).copied().chain([usize::MAX]);
    let cut = |(start, end): (&usize, usize)| -> String { line.chars().take(end).skip(*start).collect() };
    starts.iter().zip(ends).map(cut).map(|cell| cell.trim().to_owned()).collect()
}

/// A cell or a line, each of its words by its name, or shortened if it is a key, an id or a time.
pub(crate) fn narrow<'a>(cell: &str, named: &impl Fn(&str) -> Option<&'a str>) -> String {
    let short = |word: &str| match named(word) {
        Some(name) => name.to_owned(),
        None if word.starts_with("provider:") => end_of_key(word),
        None if is_time(word) => word.chars().skip(11).take(12).collect(),
        None if is_id(word) => format!("…{}", word.chars().skip(28).collect::<String>()),
        None => word.to_owned(),
    };
    cell.split(' ').map(short).collect::<Vec<_>>().join(" ")
}

/// What of a key is shown at most.
const KEY_END: usize = 55;

/// The last two of a key's seven parts: which of its identities it carries, and that.
pub(crate) fn end_of_key(key: &str) -> String {
    let end = format!("…:{}", key.splitn(7, ':').skip(5).collect::<Vec<_>>().join(":"));
    cut(&end, KEY_END)
}

/// A text of at most so many characters: its beginning, where it has more.
pub(crate) fn cut(text: &str, characters: usize) -> String {
    if text.chars().count() <= characters {
        return text.to_owned();
    }
    text.chars().take(characters.saturating_sub(1)).chain(['…']).collect()
}

fn is_time(word: &str) -> bool {
    word.len() == 27 && word.ends_with('Z') && word.chars().nth(10) == Some('T')
}

fn is_id(word: &str) -> bool {
    word.len() == 36 && word.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
}

/// Rows with their cells one under the other.
pub(crate) fn aligned(rows: &[Vec<String>]) -> Vec<String> {
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..rows.iter().map(Vec::len).max().unwrap_or(0)).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// A text in lines of at most so many characters.
pub(crate) fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + 1 + word.chars().count() <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
