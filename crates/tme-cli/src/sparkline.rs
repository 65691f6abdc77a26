//! A graph in one line of text.

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Draws values from zero to their maximum in at most `columns` columns; a column shows the largest of its values.
pub(crate) fn draw(values: &[f64], columns: usize) -> String {
    let max = values.iter().copied().fold(0.0, f64::max);
    let columns = columns.clamp(1, values.len().max(1));
    let column = |index: usize| {
        let range = index * values.len() / columns..(index + 1) * values.len() / columns;
        values.get(range).unwrap_or_default().iter().copied().fold(0.0, f64::max)
    };
    let bar = |value: f64| {
        let level = if max > 0.0 { (value / max * (BARS.len() - 1) as f64).round() as usize } else { 0 };
        BARS.get(level).copied().unwrap_or('█')
    };
    (0..columns).filter(|_| !values.is_empty()).map(|index| bar(column(index))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_value_reaches_the_top_and_survives_being_squeezed() {
        assert_eq!(draw(&[0.0, 1.0, 2.0, 4.0], 10), "▁▃▅█");
        assert_eq!(draw(&[0.0, 9.0, 0.0, 0.0, 0.0, 0.0], 3), "█▁▁");
        assert_eq!(draw(&[], 10), "");
        assert_eq!(draw(&[0.0], 10), "▁");
    }
}
