//! `docs/soak.svg`: a panel for each figure, over time.

use std::fmt::Write as _;

use crate::sample::{Sample, a_second};

const WIDTH: f64 = 860.0;
const LEFT: f64 = 60.0;
const HEIGHT: f64 = 90.0;
const GAP: f64 = 44.0;

const STYLE: &str = "\
text{font:12px sans-serif;fill:#24292f}.t{font-weight:bold}.a{stroke:#8c959f;stroke-width:1}.g{stroke:#d0d7de;stroke-width:.5}\
.l{fill:none;stroke-width:1.5}.c0{stroke:#0969da}.c1{stroke:#bc4c00}.c2{stroke:#1a7f37}.k0{fill:#0969da}.k1{fill:#bc4c00}.k2{fill:#1a7f37}\
.b{fill:#fff}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.g{stroke:#30363d}.b{fill:#0d1117}.c0{stroke:#58a6ff}.c1{stroke:#f0883e}\
.c2{stroke:#3fb950}.k0{fill:#58a6ff}.k1{fill:#f0883e}.k2{fill:#3fb950}}";

pub fn draw(samples: &[Sample]) -> String {
    let times: Vec<f64> = samples.iter().map(|sample| sample.at.as_secs_f64() / 60.0).collect();
    let each = |of: fn(&Sample) -> f64| samples.iter().map(of).collect::<Vec<_>>();
    let panels = [
        (
            "memory, MiB",
            vec![
                ("RSS", each(|sample| sample.rss)),
                ("PSS", each(|sample| sample.pss)),
                ("PSS, anonymous", each(|sample| sample.anonymous)),
            ],
        ),
        ("descriptors", vec![("", each(|sample| sample.descriptors as f64))]),
        ("threads", vec![("", each(|sample| sample.threads as f64))]),
        ("CPU, ms a second", vec![("", a_second(samples, |sample| sample.cpu as f64 / 1e6))]),
        ("starts of programs a second", vec![("", a_second(samples, |sample| sample.incarnations as f64))]),
    ];
    let height = panels.len() as f64 * (HEIGHT + GAP) + 30.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 940 {height}\" role=\"img\" \
         aria-label=\"What the daemon takes over time\"><style>{STYLE}</style><rect class=\"b\" width=\"940\" height=\"{height}\"/>\n"
    );
    for (number, (title, lines)) in panels.iter().enumerate() {
        panel(&mut svg, number as f64 * (HEIGHT + GAP) + 34.0, title, lines, &times);
    }
    let middle = LEFT + WIDTH / 2.0;
    writeln!(svg, "<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">minutes</text></svg>", height - 8.0)
        .unwrap();
    svg
}

fn panel(svg: &mut String, top: f64, title: &str, lines: &[(&str, Vec<f64>)], times: &[f64]) {
    let most = lines.iter().flat_map(|line| &line.1).copied().fold(0.0, f64::max) * 1.1;
    let end = times.last().copied().unwrap_or(1.0);
    let bottom = top + HEIGHT;
    let y = |value: f64| bottom - value / most.max(1e-9) * HEIGHT;
    writeln!(svg, "<text class=\"t\" x=\"{LEFT}\" y=\"{}\">{title}</text>", top - 8.0).unwrap();
    for part in 0..=2 {
        let value = most * f64::from(part) / 2.0;
        let class = if part == 0 { "a" } else { "g" };
        let (at, right) = (y(value), LEFT + WIDTH);
        writeln!(svg, "<line class=\"{class}\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>")
            .unwrap();
        let (x, below) = (LEFT - 6.0, at + 4.0);
        writeln!(svg, "<text x=\"{x}\" y=\"{below:.1}\" text-anchor=\"end\">{value:.0}</text>").unwrap();
    }
    for part in 0..=6 {
        let (x, minutes) = (LEFT + WIDTH * f64::from(part) / 6.0, end * f64::from(part) / 6.0);
        let below = bottom + 15.0;
        writeln!(svg, "<text x=\"{x:.1}\" y=\"{below}\" text-anchor=\"middle\">{minutes:.0}</text>").unwrap();
    }
    for (number, (name, values)) in lines.iter().enumerate() {
        let points: Vec<_> = values
            .iter()
            // A rate is that of the time before its sample.
            .zip(&times[times.len() - values.len()..])
            .map(|(value, time)| format!("{:.1},{:.1}", LEFT + time / end * WIDTH, y(*value)))
            .collect();
        writeln!(svg, "<polyline class=\"l c{number}\" points=\"{}\"/>", points.join(" ")).unwrap();
        let x = LEFT + 110.0 + 80.0 * number as f64;
        writeln!(svg, "<text class=\"k{number}\" x=\"{x}\" y=\"{}\">{name}</text>", top - 8.0).unwrap();
    }
}
