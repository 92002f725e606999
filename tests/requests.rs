//! How every analysis handles requests that are wrong, unusual, cancelled or previewed.

use std::cell::{Cell as Counter, RefCell};

use patchlab::analyses::{ALL, Viewer};
use patchlab::device::DevicePreference;
use patchlab::experiment::{Experiment, Group, Pair};
use patchlab::figures::summary::difference;
use patchlab::figures::{Part, Report};
use patchlab::host::Progress;
use patchlab::host::{Host, Quiet};
use patchlab::{Error, Session};
use patchlab_tests::fixture::{Fixture, assert_close, grids, report, try_report};
use serde_json::{Value, json};

fn session() -> (Fixture, Session) {
    let fixture = Fixture::read("tiny-a");
    let session = fixture.session(DevicePreference::Cpu);
    (fixture, session)
}

fn pair(clean: &str, corrupted: &str) -> Pair {
    let (answer, distractor) = ("'re".to_owned(), " are".to_owned());
    let (clean, corrupted) = (clean.to_owned(), corrupted.to_owned());
    Pair { clean, corrupted, answer, distractor, ..Pair::default() }
}

fn experiment(groups: Vec<Vec<Pair>>) -> Experiment {
    let group =
        |(index, pairs)| Group { name: format!("group {index}"), symmetric: false, roles: Vec::new(), pairs };
    Experiment { groups: groups.into_iter().enumerate().map(group).collect(), prepend_bos: true }
}

const SWEEPS: [&str; 4] = ["residual-patching", "component-patching", "head-patching", "neuron-patching"];

#[test]
fn every_analysis_runs_with_its_defaults() {
    let (fixture, session) = session();
    // It needs values that come along, and has tests of its own.
    for analysis in ALL.iter().filter(|analysis| analysis.name != "recorded") {
        let report = report(&session, &fixture.experiment, analysis.name, &Value::Null);
        assert_eq!(report.problems, [], "{}", analysis.name);
        assert!(!report.parts.is_empty(), "{}", analysis.name);
        // NaN would be written as null, which most fields refuse.
        let text = serde_json::to_string(&report).expect("JSON");
        assert!(serde_json::from_str::<Report>(&text).is_ok(), "{}", analysis.name);
    }
}

#[test]
fn every_analysis_survives_an_experiment_with_nothing_in_it() {
    let (_, session) = session();
    for analysis in ALL {
        for groups in [vec![], vec![vec![]], vec![vec![pair("", "")]]] {
            match try_report(&session, &experiment(groups), analysis.name, &Value::Null, &Quiet) {
                Ok(report) => assert!(report.parts.iter().all(|part| !matches!(part, Part::Dots(_)))),
                Err(Error::Setting { message, .. }) => assert!(!message.is_empty()),
                Err(other) => panic!("{}: {other}", analysis.name),
            }
        }
    }
}

#[test]
fn what_does_not_exist_is_refused_by_name() {
    let (fixture, session) = session();
    for (analysis, settings, said) in [
        ("attention", json!({ "heads": "L0H4" }), "L2H3"),
        ("attention", json!({ "heads": "L3" }), "L2H3"),
        ("attention", json!({ "group": "9" }), "0, 1, 2"),
        ("attention", json!({ "group": "0", "prompt": "6" }), "0, 1, 2, 3, 4, 5"),
        ("neuron-on-text", json!({ "neuron": "L0N128" }), "L2N127"),
        ("neuron-on-text", json!({ "neuron": "3/0" }), "L2N127"),
        ("neuron-on-text", json!({ "full": "-1" }), "auto"),
        ("neuron-patching", json!({ "layers": "3" }), "0 to 2"),
        ("neuron-patching", json!({ "direction": "sideways" }), "denoise, noise"),
        ("neuron-patching", json!({ "probabilities": "perhaps" }), "yes"),
        ("residual-patching", json!({ "site": "resid" }), "resid_pre"),
        ("patched-run", json!({ "patch": "blocks.9.hook_resid_pre" }), "0 to 2"),
        ("patched-run", json!({ "patch": "blocks.0.attn.hook_z[head 4]" }), "below 4"),
        ("patched-run", json!({ "patch": "blocks.0.hook_resid_pre[position 90]" }), "tokens"),
        ("patched-run", json!({ "patch": "attn" }), "blocks.0.attn.hook_z"),
        ("patched-run", json!({ "patch": "blocks.0.attn.hook_z[position 1, head 9]" }), "below 4"),
        ("activations", json!({ "site": "blocks.3.hook_resid_pre" }), "no site"),
        ("text-lens", json!({ "prompt": "word ".repeat(100) }), "token"),
    ] {
        let refused = try_report(&session, &fixture.experiment, analysis, &settings, &Quiet);
        let message = refused.expect_err(analysis).to_string();
        assert!(message.contains(said), "{analysis} {settings}: {message}");
    }
}

/// The grids of a report.
#[test]
fn groups_that_cannot_be_mapped_are_left_out_with_a_reason() {
    let (_, session) = session();
    let good = || vec![pair("They're here and they", "They are here and they")];
    let same = || vec![pair("They are here", "They are here")];
    let uneven = || vec![good()[0].clone(), pair("We're out while they", "We are out while they")];
    let uneven = || {
        let mut pairs = uneven();
        pairs[1] = pair("We're out there while they", "We are out there while they");
        pairs
    };
    for analysis in SWEEPS {
        let by_position = ["residual-patching", "component-patching"].contains(&analysis);
        let settings = if by_position { json!({ "align": "start" }) } else { Value::Null };
        let found = report(&session, &experiment(vec![same(), uneven(), good()]), analysis, &settings);
        let codes: Vec<(&str, usize)> = found
            .problems
            .iter()
            .map(|problem| (problem.code.as_str(), problem.place.expect("a group").group))
            .collect();
        if by_position {
            assert_eq!(codes, [("nothing-differs", 0), ("different-lengths", 1)], "{analysis}");
        } else {
            assert_eq!(codes, [("nothing-differs", 0)], "{analysis}");
        }
        for grid in grids(&found.parts) {
            let shown: Vec<usize> = grid.panels.iter().map(|panel| panel.group).collect();
            assert_eq!(shown, if by_position { vec![2] } else { vec![1, 2] }, "{analysis}");
        }
    }
}

#[test]
fn a_pair_without_a_difference_is_pointed_out_and_changes_nothing() {
    let (_, session) = session();
    let pairs = vec![
        pair("They're here and they", "They are here and they"),
        pair("They are here and they", "They are here and they"),
    ];
    let found = report(&session, &experiment(vec![pairs]), "head-patching", &Value::Null);
    assert_eq!(found.problems.len(), 1);
    assert_eq!(found.problems[0].code, "identical-prompts");
    for grid in grids(&found.parts) {
        // Exactly zero: the patch is not even run.
        let shares = &grid.panels[0].values[0].prompts;
        assert!(shares.prompt(1).all(|share| share == 0.0));
        assert!(shares.prompt(0).any(|share| share != 0.0));
    }
}

#[test]
fn means_too_close_to_normalise_are_shown_as_they_are() {
    let (_, session) = session();
    // Each prompt corrupts the other and both have the same answer: the means are equal.
    let pairs = vec![
        pair("They're here and they", "They are here and they"),
        pair("They are here and they", "They're here and they"),
    ];
    let found = report(&session, &experiment(vec![pairs]), "residual-patching", &Value::Null);
    assert_eq!(found.problems.iter().map(|problem| problem.code.as_str()).collect::<Vec<_>>(), ["no-effect"]);
    let grid = grids(&found.parts)[0];
    let measures: Vec<&str> =
        grid.panels[0].values.iter().map(|values| grid.measures[values.measure].name.as_str()).collect();
    assert_eq!(measures, ["logit-diff", "probability", "probability-diff", "log-probability", "kl", "rank"]);
    assert!(grid.panels[0].values[0].mean.iter().all(Option::is_some));
}

/// Cancels after this many steps, and counts the progress reported after that.
struct Impatient {
    steps: Counter<usize>,
    after: Counter<usize>,
}

impl Host for Impatient {
    fn progress(&self, _: Progress) {
        if self.steps.get() == 0 {
            self.after.set(self.after.get() + 1);
        }
        self.steps.set(self.steps.get().saturating_sub(1));
    }

    fn cancelled(&self) -> bool {
        self.steps.get() == 0
    }
}

impl Viewer for Impatient {}

#[test]
fn cancelling_takes_effect_at_the_next_step() {
    let (fixture, session) = session();
    for analysis in ALL {
        for steps in [0, 1, 2] {
            let host = Impatient { steps: Counter::new(steps), after: Counter::new(0) };
            match try_report(&session, &fixture.experiment, analysis.name, &Value::Null, &host) {
                Err(Error::Cancelled) => {}
                // Short analyses may finish first.
                Ok(_) => assert!(host.steps.get() > 0, "{} went on", analysis.name),
                Err(other) => panic!("{}: {other}", analysis.name),
            }
            assert!(host.after.get() <= 1, "{} went on after it was cancelled", analysis.name);
        }
    }
}

/// Requests every preview and records all progress.
#[derive(Default)]
struct Curious {
    previews: RefCell<Vec<(usize, Part)>>,
    progress: RefCell<Vec<Progress>>,
}

impl Host for Curious {
    fn progress(&self, progress: Progress) {
        self.progress.borrow_mut().push(progress);
    }

    fn cancelled(&self) -> bool {
        false
    }
}

impl Viewer for Curious {
    fn wants_preview(&self) -> bool {
        true
    }

    fn preview(&self, index: usize, part: &Part) {
        self.previews.borrow_mut().push((index, part.clone()));
    }
}

#[test]
fn pictures_fill_in_and_end_as_the_report_has_them() {
    let (fixture, session) = session();
    for analysis in SWEEPS {
        let host = Curious::default();
        let found =
            try_report(&session, &fixture.experiment, analysis, &Value::Null, &host).expect("a report");
        let previews = host.previews.into_inner();
        let mut unfinished = 0;
        for (index, part) in &previews {
            let (now, then) =
                (grids(std::slice::from_ref(part)), grids(std::slice::from_ref(&found.parts[*index])));
            let (now, then) = (now[0], then[0]);
            assert_eq!((&now.title, &now.site, &now.measures), (&then.title, &then.site, &then.measures));
            let panel = now.panels.last().expect("the group at work");
            let whole = &then.panels[now.panels.len() - 1];
            assert_eq!(
                (panel.group, &panel.ticks, &panel.prompts),
                (whole.group, &whole.ticks, &whole.prompts)
            );
            for (values, whole) in panel.values.iter().zip(&whole.values) {
                unfinished += values.mean.iter().filter(|mean| mean.is_none()).count();
                for (early, late) in values.mean.iter().zip(&whole.mean) {
                    assert!(early.is_none() || early == late);
                }
            }
        }
        // One batch per position; all heads or neurons of a small model fit into one chunk.
        let many = ["residual-patching", "component-patching"].contains(&analysis);
        assert!(unfinished > 0 || !many, "{analysis} showed nothing before it was done");
        assert!(!previews.is_empty(), "{analysis} showed nothing");

        let progress = host.progress.into_inner();
        let last = progress.last().expect("steps");
        assert_eq!(last.done, last.total, "{analysis} ended at another count than announced");
        assert!(progress.windows(2).all(|pair| pair[0].done <= pair[1].done), "{analysis} went back");
    }
}

#[test]
fn groups_can_be_subtracted() {
    let (fixture, session) = session();
    let found = report(&session, &fixture.experiment, "head-attribution", &Value::Null);
    let grid = grids(&found.parts)[0];
    let panel = difference(grid, 1, 0).expect("maps of one shape");
    assert_eq!((panel.group, panel.minus), (1, Some(0)));
    let mean = |group: usize| -> Vec<f64> {
        grid.panels[group].values[0].mean.iter().map(|mean| mean.expect("computed")).collect()
    };
    let expected: Vec<f64> = mean(1).iter().zip(mean(0)).map(|(one, zero)| one - zero).collect();
    let values = &panel.values[0];
    let found: Vec<f64> = values.mean.iter().map(|mean| mean.expect("computed")).collect();
    assert_close("difference", &found, &expected, 1e-12);
    assert!(values.low.iter().zip(&values.high).all(|(low, high)| low <= high));
    // The groups are independent: wider than either group's own interval.
    let sum = |ends: &[Option<f64>]| -> f64 { ends.iter().map(|end| end.expect("an end")).sum() };
    let width = |low: &[Option<f64>], high: &[Option<f64>]| sum(high) - sum(low);
    let own = &grid.panels[1].values[0];
    assert!(width(&values.low, &values.high) > width(&own.low, &own.high));
    assert!(difference(grid, 1, 7).is_none());
}

/// A group too large to be recorded at once is run in parts, with the same results for each prompt as alone.
#[test]
fn parts_of_a_large_group_are_put_together_in_order() {
    let (_, session) = session();
    let names = ["they", "we", "he", "she"];
    let numbered = |i: usize| {
        let (a, b) = (names[i % 4], names[i / 4 % 4]);
        pair(&format!("{a} said {i} times that {b}'re"), &format!("{a} said {i} times that {b} are"))
    };
    let many: Vec<Pair> = (10..80).map(numbered).collect();
    let last: Vec<Pair> = many[64..].to_vec();
    for (analysis, measure) in [("head-patching", 1), ("head-attribution", 0)] {
        let settings =
            if measure == 1 { json!({ "what": "z", "probabilities": false }) } else { Value::Null };
        let whole = report(&session, &experiment(vec![many.clone()]), analysis, &settings);
        let part = report(&session, &experiment(vec![last.clone()]), analysis, &settings);
        assert_eq!((&whole.problems, &part.problems), (&vec![], &vec![]));
        let prompts = |parts: &[Part]| grids(parts)[0].panels[0].values[measure].prompts.clone();
        let (whole, part) = (prompts(&whole.parts), prompts(&part.parts));
        assert_eq!((whole.prompts(), part.prompts()), (70, 6));
        for prompt in 0..part.prompts() {
            let (whole, part): (Vec<f64>, Vec<f64>) =
                (whole.prompt(64 + prompt).collect(), part.prompt(prompt).collect());
            assert_close(analysis, &whole, &part, 1e-4);
        }
    }
}

/// Prompts keep the indices of the experiment as typed, whichever of its pairs have faults.
#[test]
fn prompts_keep_their_numbers_when_others_are_left_out() {
    let (_, session) = session();
    let pairs = vec![pair("", "x"), pair("They're here and they", "They are here and they")];
    let experiment = experiment(vec![pairs]);
    for (wanted, found) in [("first", Some(1)), ("1", Some(1)), ("all", Some(1)), ("0", None)] {
        let settings = json!({ "prompt": wanted, "heads": "L0H0" });
        match try_report(&session, &experiment, "attention", &settings, &Quiet) {
            Ok(report) => {
                let [Part::Attention(attention)] = &report.parts[..] else { panic!("one figure") };
                assert_eq!(attention.prompts.iter().map(|prompt| prompt.prompt).next(), found);
            }
            Err(error) => assert!(found.is_none() && error.to_string().contains("some of: 1"), "{error}"),
        }
    }
}
