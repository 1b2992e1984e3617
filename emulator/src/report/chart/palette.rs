//! Colours by name. A page has them in light and in dark; a picture on its own is light, wherever it is shown.
//!
//! Lines are told apart by colour-blind people too (after Okabe and Ito, <https://jfly.uni-koeln.de/color/>), darkened or
//! lightened until each has a contrast of at least 3 on its ground, and text one of at least 4.5 (WCAG 2.1, AA).

/// A colour's name, and what it is on a light and on a dark ground.
const COLOURS: [(&str, &str, &str); 15] = [
    ("ground", "#f6f8fa", "#0d1117"),
    ("card", "#ffffff", "#151b23"),
    ("ink", "#1f2328", "#e6edf3"),
    ("pale", "#59636e", "#9da7b3"),
    ("edge", "#d1d9e0", "#3d444d"),
    ("grid", "#e5e9ee", "#262d36"),
    ("band", "#fbe3d6", "#43281b"),
    ("good", "#0f6b34", "#4ac26b"),
    ("bad", "#b3261e", "#ff7b72"),
    ("s1", "#0072b2", "#58a6ff"),
    ("s2", "#b5520c", "#f0a15e"),
    ("s3", "#007a5a", "#3fc39a"),
    ("s4", "#a8487f", "#e08fc0"),
    ("s5", "#806000", "#d9b64a"),
    ("s6", "#6e7781", "#8b949e"),
];

/// What a picture's classes look like: `l` lines, `a` areas and marks of each colour, text, grid and bands.
const CLASSES: &str = "\
.t{fill:var(--ink)}.p{fill:var(--pale)}.inv{fill:var(--card)}.mid{text-anchor:middle}.end{text-anchor:end}.big{font-size:14px}\
.strong{font-weight:600}.grid{stroke:var(--grid)}.axis{stroke:var(--edge)}.band{fill:var(--band)}.card{fill:var(--card)}\
.mark{fill:var(--s2)}.cross{fill:none;stroke:var(--card);stroke-width:1.6}.dash{stroke-dasharray:5 3}.veil{opacity:.16}.halo{fill:var(--card);fill-opacity:.9}\
.l1,.l2,.l3,.l4,.l5,.l6,.lbad,.lpale{fill:none;stroke-width:1.8;stroke-linejoin:round}\
.l1{stroke:var(--s1)}.l2{stroke:var(--s2)}.l3{stroke:var(--s3)}.l4{stroke:var(--s4)}.l5{stroke:var(--s5)}.l6{stroke:var(--s6)}\
.lbad{stroke:var(--bad);stroke-width:3}.lpale{stroke:var(--pale)}\
.a1{fill:var(--s1)}.a2{fill:var(--s2)}.a3{fill:var(--s3)}.a4{fill:var(--s4)}.a5{fill:var(--s5)}.a6{fill:var(--s6)}\
.abad{fill:var(--bad)}.apale{fill:var(--pale)}.none{fill:var(--card);stroke:var(--pale);stroke-dasharray:3 3}";

/// The style of a page: light, or dark where the reader prefers that and doesn't print.
pub fn page() -> String {
    let set = |dark: bool| -> String {
        COLOURS.iter().map(|(name, light, night)| format!("--{name}:{};", if dark { night } else { light })).collect()
    };
    format!(
        ":root{{color-scheme:light dark;{}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{}}}}}\n{CLASSES}\n",
        set(false),
        set(true)
    )
}

/// The style of a picture on its own, with every colour in place: not every program that shows SVG knows variables.
pub fn alone() -> String {
    in_place(|(_, light, _)| light)
}

/// The same, light or dark as the reader prefers.
pub fn either() -> String {
    format!("{}\n@media screen and (prefers-color-scheme:dark){{{}}}", alone(), in_place(|(_, _, dark)| dark))
}

fn in_place(pick: impl Fn(&(&'static str, &'static str, &'static str)) -> &'static str) -> String {
    COLOURS
        .iter()
        .fold(CLASSES.to_owned(), |style, colour| style.replace(&format!("var(--{})", colour.0), pick(colour)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance, as WCAG 2.1 defines it.
    fn luminance(colour: &str) -> f64 {
        let channel = |at: usize| {
            let value = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    }

    fn contrast(a: &str, b: &str) -> f64 {
        let (a, b) = (luminance(a) + 0.05, luminance(b) + 0.05);
        a.max(b) / a.min(b)
    }

    #[test]
    fn everything_can_be_told_from_its_ground() {
        let of = |name: &str| COLOURS.iter().find(|colour| colour.0 == name).unwrap();
        for (text, least) in [("ink", 7.0), ("pale", 4.5), ("good", 4.5), ("bad", 4.5)] {
            for ground in ["ground", "card", "band"] {
                let ((_, light, dark), (_, on_light, on_dark)) = (of(text), of(ground));
                let worst = contrast(light, on_light).min(contrast(dark, on_dark));
                assert!(worst >= least, "{text} on {ground}: {worst:.2}");
            }
        }
        for line in ["s1", "s2", "s3", "s4", "s5", "s6"] {
            let worst = contrast(of(line).1, of("card").1).min(contrast(of(line).2, of("card").2));
            assert!(worst >= 3.0, "{line}: {worst:.2}");
        }
        assert!(!either().contains("var("));
    }
}
