use std::fs;
use std::path::PathBuf;

use clap::Parser as _;
use tempfile::{TempDir, tempdir};

use super::*;
use crate::arguments::Arguments;
use crate::dispatch;

fn root(path: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path).display().to_string()
}

/// What the command says to these words.
fn patchlab(words: &[&str]) -> Result<()> {
    dispatch(Arguments::try_parse_from(["patchlab"].iter().chain(words))?.command)
}

/// What it says in refusing them.
fn refusal(words: &[&str]) -> String {
    format!("{:#}", patchlab(words).expect_err("refused"))
}

/// A plan of three shards, two groups and one analysis, in a folder of its own.
struct Study {
    folder: TempDir,
    experiment: String,
    demo: String,
}

impl Study {
    fn new(analysis: &str) -> Self {
        let folder = tempdir().expect("a folder");
        let all = fs::read_to_string(root("crate/engine/data/presets/contractions.json")).expect("a preset");
        let mut all = patchlab::Experiment::from_json(&all).expect("an experiment");
        all.groups.truncate(2);
        let experiment = folder.path().join("experiment.json").display().to_string();
        fs::write(&experiment, serde_json::to_string(&all).expect("JSON")).expect("written");
        let study = Self { folder, experiment, demo: root("www/models/demo") };
        study.plan("study", analysis).expect("a plan");
        study
    }

    fn plan(&self, name: &str, analysis: &str) -> Result<()> {
        let (out, demo) = (self.at(name), &self.demo);
        patchlab(&["shard", &self.experiment, "3", "--analysis", analysis, "--model", demo, "--out", &out])
    }

    fn at(&self, path: &str) -> String {
        self.folder.path().join(path).display().to_string()
    }

    fn shard(&self, k: usize) -> PathBuf {
        self.folder.path().join(format!("study/shard-{k}.json"))
    }

    fn run(&self, plan: &str, k: usize) -> Result<()> {
        let (plan, k) = (self.at(plan), k.to_string());
        patchlab(&["run", "--plan", &plan, "--shard", &k, "--model", &self.demo, "--device", "cpu"])
    }

    fn merged(&self) -> String {
        refusal(&["merge", &self.at("study/plan.json")])
    }

    /// Changes a shard's file.
    fn change(&self, k: usize, change: impl Fn(&str) -> String) {
        let path = self.shard(k);
        fs::write(&path, change(&fs::read_to_string(&path).expect("it is there"))).expect("written");
    }
}

#[test]
fn shards_that_are_run_again_give_the_same_bytes_and_the_whole() {
    for analysis in ["head-attribution", "neuron-patching"] {
        let study = Study::new(analysis);
        for k in 0..3 {
            study.run("study/plan.json", k).expect("computed");
        }
        let once = fs::read(study.shard(1)).expect("a shard");
        study.run("study/plan.json", 1).expect("computed again");
        assert!(once == fs::read(study.shard(1)).expect("a shard"), "another file of the same shard");
        let names = fs::read_dir(study.folder.path().join("study")).expect("a folder");
        assert_eq!(names.count(), 4, "something unfinished is left");

        let (whole, merged) = (study.at("whole.json"), study.at("merged.json"));
        let demo = ["--model", &study.demo, "--device", "cpu", "--json", &whole];
        patchlab(&[&["run", &study.experiment, "--analysis", analysis], &demo[..]].concat())
            .expect("computed");
        patchlab(&["merge", &study.at("study/plan.json"), "--json", &merged]).expect("put together");
        assert!(
            fs::read(whole).expect("it is there") == fs::read(merged).expect("it is there"),
            "{analysis}"
        );
    }
}

#[test]
fn what_cannot_be_planned_is_refused() {
    let study = Study::new("logit-diff");
    let words = ["shard", &study.experiment, "--analysis", "logit-diff", "--out", &study.at("other")];
    let refused = |n: &str| refusal(&[&words[..], &[n]].concat());
    assert!(refused("0").contains("1 to 10000 shards"), "{}", refused("0"));
    assert!(refused("10001").contains("1 to 10000 shards"));
    let again = format!("{:#}", study.plan("study", "text-lens").expect_err("another plan is there"));
    assert!(again.contains("holds another plan"), "{again}");
    study.plan("study", "logit-diff").expect("the same plan again");
    let both = refusal(&["run", "--plan", "a", "--shard", "0", "--analysis", "all", "--model", "b"]);
    assert!(both.contains("cannot be used with"), "{both}");
}

#[test]
fn plans_that_are_none_are_refused() {
    let study = Study::new("logit-diff");
    let plan = fs::read_to_string(study.at("study/plan.json")).expect("a plan");
    for (text, said) in [
        (plan.replace("\"version\": 1", "\"version\": 2"), "of version 2"),
        (plan.replace("logit-diff", "text-lens"), "has been changed"),
        (plan.replace("\"shards\"", "\"sherds\""), "Make the plan again"),
        (plan.replace("\"plan\",", "\"study\","), "is no plan"),
        ("{".to_owned(), "is no plan"),
    ] {
        fs::write(study.at("plan.json"), text).expect("written");
        let refused = format!("{:#}", study.run("plan.json", 0).expect_err(said));
        assert!(refused.contains(said), "{refused}");
        assert!(refusal(&["merge", &study.at("plan.json")]).contains(said), "{said}");
    }
    let beyond = format!("{:#}", study.run("study/plan.json", 3).expect_err("there are three"));
    assert!(beyond.contains("--shard 3") && beyond.contains("0 to 2"), "{beyond}");
}

#[test]
fn shards_that_do_not_fit_are_named() {
    let study = Study::new("head-attribution");
    assert!(study.merged().contains("missing: 0, 1, 2. Run them."), "{}", study.merged());
    for k in 0..3 {
        study.run("study/plan.json", k).expect("computed");
    }
    let good = fs::read_to_string(study.shard(0)).expect("a shard");
    // Half a file, another digit, another shard's file.
    study.change(0, |text| text[..text.len() / 2].to_owned());
    study.change(1, |text| text.replacen("\"low\":[\"#", "\"low\":[\"#1", 1));
    fs::remove_file(study.shard(2)).expect("removed");
    let said = study.merged();
    assert!(said.contains("damaged: 0 (it ends early)") && said.contains("damaged: 1 (its digest"), "{said}");
    assert!(said.contains("missing: 2."), "{said}");
    fs::write(study.shard(1), &good).expect("written");
    assert!(study.merged().contains("damaged: 1 (it is shard 0)"), "{}", study.merged());

    study.plan("second", "layer-attribution").expect("a plan");
    study.run("second/plan.json", 0).expect("computed");
    fs::copy(study.at("second/shard-0.json"), study.shard(0)).expect("copied");
    assert!(study.merged().contains("of another plan: 0."), "{}", study.merged());
}

#[test]
fn shards_of_different_models_and_devices_are_not_put_together() {
    let study = Study::new("head-attribution");
    for k in 0..3 {
        study.run("study/plan.json", k).expect("computed");
    }
    for (from, to, said) in [
        ("\"device\":\"CPU\"", "\"device\":\"wgpu, a card\"", "wgpu, a card"),
        ("\"model\":\"demo\"", "\"model\":\"other\"", "model \"other\""),
        ("\"digest\":\"", "\"digest\":\"00000000", "(00000000)"),
        ("\"program\":\"", "\"program\":\"9.", "patchlab 9."),
        ("\"processor\":\"", "\"processor\":\"abacus ", "abacus"),
    ] {
        let good = fs::read_to_string(study.shard(1)).expect("a shard");
        study.change(1, |text| text.replacen(from, to, 1));
        let refused = study.merged();
        assert!(refused.contains("different models, devices or programs"), "{refused}");
        assert!(refused.contains("  0, 2: model") && refused.contains("  1: model"), "{refused}");
        assert!(refused.contains(said), "{refused}");
        fs::write(study.shard(1), good).expect("written");
    }
}
