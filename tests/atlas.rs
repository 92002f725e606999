//! The atlas of heads against values recorded with TransformerLens and NumPy in float64 (`fixtures/causal.py`).

use patchlab::figures::{Cell, Grid, Part, Report, Table};
use patchlab_tests::fixture::{DEVICES, Fixture, TINY, assert_close, grids, report};
use serde_json::{Value, json};

/// Attention, losses, scores of the weights: float32 sums of up to 50,257 numbers.
const TOLERANCE: f64 = 1e-4;

/// The mean over samples of each cell of a panel.
fn means(grid: &Grid, panel: usize) -> Vec<f64> {
    grid.panels[panel].values[0].mean.iter().map(|mean| mean.unwrap_or(f64::NAN)).collect()
}

fn tables(report: &Report) -> Vec<&Table> {
    let tables =
        report.parts.iter().filter_map(|part| if let Part::Table(table) = part { Some(table) } else { None });
    tables.collect()
}

fn number(cell: &Cell) -> f64 {
    match cell {
        Cell::Number(number) => *number,
        _ => f64::NAN,
    }
}

fn compare(fixture: &Fixture, name: &str, found: &[f64]) {
    assert_close(&format!("{} {name}", fixture.name), found, &fixture.values(name).1, TOLERANCE);
}

#[test]
fn scores_are_what_pytorch_gives() {
    for fixture in TINY.map(Fixture::read) {
        for device in DEVICES {
            let session = fixture.session(device);
            for (bos, before) in [(true, "bos"), (false, "plain")] {
                for destinations in ["whole", "second"] {
                    let settings = json!({ "bos": bos, "destinations": destinations });
                    let report = report(&session, &fixture.experiment, "head-atlas", &settings);
                    let grids = grids(&report.parts);
                    for (panel, kind) in ["previous", "duplicate", "induction"].into_iter().enumerate() {
                        let name = format!("atlas/{before}/{destinations}/{kind}");
                        compare(&fixture, &name, &means(grids[0], panel));
                    }
                    for (panel, name) in ["copying", "copying_full", "names/positive", "names/negative"]
                        .into_iter()
                        .enumerate()
                    {
                        compare(&fixture, &format!("atlas/{name}"), &means(grids[1], panel));
                    }
                    compare(&fixture, &format!("atlas/{before}/loss"), &means(grids[2], 0));
                    let Some(Part::Scatter(scatter)) =
                        report.parts.iter().find(|part| matches!(part, Part::Scatter(_)))
                    else {
                        panic!("a scatter plot")
                    };
                    let values = &scatter.panels[0].values[0];
                    assert_eq!((&values.x, &values.y), (&means(grids[0], 0), &means(grids[0], 2)));
                }
            }
        }
    }
}

#[test]
fn compositions_are_what_transformer_lens_gives() {
    for fixture in TINY.map(Fixture::read) {
        for device in DEVICES {
            let session = fixture.session(device);
            let (layers, heads) = if fixture.name == "tiny-a" { (3, 4) } else { (5, 3) };
            let all = layers * heads;
            let recorded = ["q", "k", "v"].map(|mode| fixture.values(&format!("atlas/composition/{mode}")).1);
            for head in [0, heads + 1, all - 1] {
                let named = json!(format!("L{}H{}", head / heads, head % heads));
                let settings = json!({ "what": "composition", "head": named });
                let report = report(&session, &fixture.experiment, "head-atlas", &settings);
                let grids = grids(&report.parts);
                for (mode, recorded) in recorded.iter().enumerate() {
                    let into: Vec<f64> = (0..all).map(|other| recorded[other * all + head]).collect();
                    let from: Vec<f64> = (0..all).map(|other| recorded[head * all + other]).collect();
                    let what = format!("{} composition {mode} of {head}", fixture.name);
                    assert_close(&what, &means(grids[0], mode), &into, TOLERANCE);
                    assert_close(&what, &means(grids[1], mode), &from, TOLERANCE);
                }
            }
            let settings = json!({ "what": "composition" });
            let report = report(&session, &fixture.experiment, "head-atlas", &settings);
            for (table, recorded) in tables(&report).iter().zip(&recorded) {
                let largest = recorded.iter().copied().fold(0.0, f64::max);
                assert_close(&table.title, &[number(&table.rows[0].cells[2])], &[largest], TOLERANCE);
                let [score, above] = [2, 3].map(|column| number(&table.rows[0].cells[column]));
                assert!(above < score && above > score - 1.0, "{above} of {score}");
            }
        }
    }
}

#[test]
fn directions_are_what_the_singular_vectors_give() {
    for fixture in TINY.map(Fixture::read) {
        for device in DEVICES {
            let session = fixture.session(device);
            let (layers, heads, width) = if fixture.name == "tiny-a" { (3, 4, 8) } else { (5, 3, 16) };
            let [ov, qk] = ["ov", "qk"].map(|which| fixture.values(&format!("atlas/singular/{which}")).1);
            let (_, ids) = fixture.values("atlas/directions/ids");
            for head in 0..layers * heads {
                let named = json!(format!("L{}H{}", head / heads, head % heads));
                let settings: Value = json!({ "what": "directions", "head": named, "top_k": 3 });
                let report = report(&session, &fixture.experiment, "head-atlas", &settings);
                let tables = tables(&report);
                let column = |index: usize| -> Vec<f64> {
                    tables[1].rows.iter().map(|row| number(&row.cells[index])).collect()
                };
                let own = head * width..(head + 1) * width;
                assert_close(&format!("{} OV", fixture.name), &column(1), &ov[own.clone()], TOLERANCE);
                assert_close(&format!("{} QK", fixture.name), &column(2), &qk[own.clone()], TOLERANCE);
                let values = &ov[own];
                for (direction, row) in tables[0].rows.iter().enumerate() {
                    let Cell::Text(text) = &row.cells[2] else { panic!("{row:?}") };
                    let close = |a: f64, b: f64| (a - b).abs() < 0.01 * a.max(b);
                    let apart = (0..width)
                        .all(|other| other == direction || !close(values[direction], values[other]));
                    let expected: Vec<String> = (0..5)
                        .map(|rank| ids[(head * 3 + direction) * 5 + rank] as u32)
                        .map(|id| format!("{:?}", session.tokenizer().token(id).text))
                        .collect();
                    if apart {
                        assert_eq!(
                            *text,
                            expected.join(" "),
                            "{} L{head}, direction {direction}",
                            fixture.name
                        );
                    } else {
                        assert!(text.contains("no direction"), "{text}");
                    }
                }
            }
        }
    }
}
