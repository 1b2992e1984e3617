//! Plain columns: what `emu ls` and `emu top` print. One row is one line, so that other programs can take it.

/// Lines of columns two spaces apart; columns whose number is in `right` are flush right.
pub fn columns(header: &[&str], rows: &[Vec<String>], right: &[usize]) -> String {
    let header: Vec<String> = header.iter().map(|cell| (*cell).to_owned()).collect();
    let all = || std::iter::once(&header).chain(rows);
    let width = |column: usize| all().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..header.len()).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| {
            if right.contains(&column) { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    all().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [vec!["n01".to_owned(), "1.5".to_owned()], vec!["camera".to_owned(), "12.0".to_owned()]];
        assert_eq!(columns(&["NODE", "CPU"], &rows, &[1]), "NODE     CPU\nn01      1.5\ncamera  12.0\n");
    }
}
