//! Rates between nodes as a matrix: the same for every pair, or read from CSV text.

use super::Rates;
use crate::units::Rate;

/// The same rate from every node to every other.
pub fn uniform(nodes: usize, rate: Rate) -> Rates {
    (0..nodes).map(|from| (0..nodes).map(|to| (from != to).then_some(rate)).collect()).collect()
}

/// Why a text is not a matrix of rates. Lines and columns count from one; a column is a character of the line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MatrixError {
    /// No line has a value.
    #[error("the matrix is empty")]
    Empty,
    /// A value is neither a positive number nor a gap.
    #[error("line {line}, column {column}: {found:?} is not a rate in Mbit/s (a number above 0, or - for no path)")]
    NotARate {
        /// The line.
        line: usize,
        /// Where the value begins.
        column: usize,
        /// The value.
        found: String,
    },
    /// A row has more or fewer values than there are rows.
    #[error("line {line}: {found} values, but the matrix has {expected} rows; a matrix needs as many of each")]
    NotSquare {
        /// The line.
        line: usize,
        /// Its values.
        found: usize,
        /// The number of rows.
        expected: usize,
    },
}

impl MatrixError {
    /// The line the error is on, if it is on one.
    pub fn line(&self) -> Option<usize> {
        match self {
            MatrixError::Empty => None,
            MatrixError::NotARate { line, .. } | MatrixError::NotSquare { line, .. } => Some(*line),
        }
    }
}

/// Reads a matrix: row `i`, value `j` is what node `i` can send to node `j`, in Mbit/s. Values are
/// separated by commas; `-` or nothing means that there is no path; the diagonal may hold anything
/// that is a value and is ignored. Empty lines and what follows a `#` are skipped.
///
/// # Errors
/// Every mistake in the text, in the order of its lines; see [`MatrixError`].
pub fn parse(text: &str) -> Result<Rates, Vec<MatrixError>> {
    let mut errors = Vec::new();
    let mut rows: Vec<(usize, Vec<Option<Rate>>)> = Vec::new();
    for (index, whole) in text.lines().enumerate() {
        let line = index + 1;
        let content = whole.split('#').next().unwrap_or_default();
        if content.trim().is_empty() {
            continue;
        }
        let mut column = 1;
        let mut row = Vec::new();
        for cell in content.split(',') {
            let indent = cell.chars().take_while(|c| c.is_whitespace()).count();
            row.push(value(cell.trim()).unwrap_or_else(|()| {
                let (column, found) = (column + indent, cell.trim().to_owned());
                errors.push(MatrixError::NotARate { line, column, found });
                None
            }));
            column += cell.chars().count() + 1;
        }
        // The diagonal counts as a value when rows are compared, whatever it says.
        let own = rows.len();
        if let Some(diagonal) = row.get_mut(own) {
            *diagonal = None;
        }
        rows.push((line, row));
    }
    let expected = rows.len();
    for (line, row) in &rows {
        if row.len() != expected {
            errors.push(MatrixError::NotSquare { line: *line, found: row.len(), expected });
        }
    }
    if rows.is_empty() {
        errors.push(MatrixError::Empty);
    }
    errors.sort_by_key(|error| error.line());
    if errors.is_empty() { Ok(rows.into_iter().map(|(_, row)| row).collect()) } else { Err(errors) }
}

fn value(cell: &str) -> Result<Option<Rate>, ()> {
    if cell.is_empty() || cell == "-" {
        return Ok(None);
    }
    let mbits: f64 = cell.parse().map_err(|_| ())?;
    // Zero is what a measured matrix has on its diagonal, and where nothing arrived.
    match mbits {
        0.0 => Ok(None),
        _ if mbits > 0.0 && mbits <= Rate::MAX.mbits_per_second() => Ok(Some(Rate::from_mbits_per_second(mbits))),
        _ => Err(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_may_be_asymmetric_and_have_gaps() {
        let rates = parse("# a, b, c\n0, 10, -\n5.5, 0, 20 # comment\n\n, 1, 0\n").unwrap();
        let mbits = |from: usize, to: usize| rates[from][to].map(Rate::mbits_per_second);
        assert_eq!((mbits(0, 1), mbits(0, 2), mbits(1, 0)), (Some(10.0), None, Some(5.5)));
        assert_eq!((mbits(1, 2), mbits(2, 0), mbits(2, 1), mbits(2, 2)), (Some(20.0), None, Some(1.0), None));
    }

    #[test]
    fn every_mistake_is_told_with_its_place() {
        let errors = parse("0,x,1\n1,0\n1, -3,0").unwrap_err();
        assert_eq!(
            errors,
            [
                MatrixError::NotARate { line: 1, column: 3, found: "x".into() },
                MatrixError::NotSquare { line: 2, found: 2, expected: 3 },
                MatrixError::NotARate { line: 3, column: 4, found: "-3".into() },
            ]
        );
        assert_eq!(parse("# nothing\n").unwrap_err(), [MatrixError::Empty]);
    }
}
