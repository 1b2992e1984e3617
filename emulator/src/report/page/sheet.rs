//! What every page has: style, script, figures and tables.

use std::fmt::Write;

use crate::report::chart::figure::{Figure, Picture, Table, WIDTHS};
use crate::report::chart::palette;
use crate::report::xml::escaped;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("cursor.js");

/// A whole page around its body.
pub fn document(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>{} · emu</title>\n\
         <link rel=\"icon\" href=\"data:,\">\n<style>\n{}{STYLE}</style>\n</head>\n<body>\n{body}<script>\n{SCRIPT}</script>\n\
         </body>\n</html>\n",
        escaped(title),
        palette::page()
    )
}

/// A figure with its numbers.
pub fn section(html: &mut String, figure: &Figure) {
    let Figure { id, title, says, picture, table: numbers } = figure;
    let _ = write!(html, "<section id=\"{id}\">\n<h2>{}</h2>\n<p>{}</p>\n", escaped(title), escaped(says));
    if let Some(picture) = picture {
        let _ = writeln!(html, "<figure>");
        for (width, class) in WIDTHS.into_iter().zip(["wide", "narrow"]) {
            let drawn = picture.draw(width).inline(class, &format!("{title}. {says}"));
            match picture {
                Picture::Plot(plot, height) => {
                    let _ = write!(
                        html,
                        "<div class=\"plot {class}\" tabindex=\"0\" role=\"group\" aria-label=\"{}: arrow keys move the cursor\" \
                         data-cursor=\"{}\">\n{drawn}<output></output></div>\n",
                        escaped(title),
                        escaped(&plot.cursor(width, *height))
                    );
                }
                Picture::Bars(_) | Picture::Map(_) => html.push_str(&drawn),
            }
        }
        html.push_str("</figure>\n<details>\n<summary>The numbers</summary>\n");
    }
    table(html, title, numbers);
    html.push_str(if picture.is_some() { "</details>\n</section>\n" } else { "</section>\n" });
}

/// A table of `title`.
pub fn table(html: &mut String, title: &str, table: &Table) {
    let _ = write!(
        html,
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{}: table\"><table>\n<thead><tr>",
        escaped(title)
    );
    for (name, number) in &table.columns {
        let _ = write!(html, "<th scope=\"col\"{}>{}</th>", if *number { " class=\"n\"" } else { "" }, escaped(name));
    }
    html.push_str("</tr></thead>\n<tbody>\n");
    for row in &table.rows {
        html.push_str("<tr>");
        for (cell, (_, number)) in row.iter().zip(&table.columns) {
            let _ = write!(html, "<td{}>{}</td>", if *number { " class=\"n\"" } else { "" }, escaped(cell));
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody>\n</table></div>\n");
}
