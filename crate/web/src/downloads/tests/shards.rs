//! A checkpoint in several files.

use std::rc::Rc;

use patchlab::model::checkpoint::Checkpoint;
use serde_json::json;

use super::{BASE, World, address, weights};
use crate::downloads::address::Address;
use crate::downloads::testing::{FakeFile, Fault};

/// Numbers of each tensor: more than one piece.
const NUMBERS: usize = 1_300_000;

/// A safetensors file with one tensor of fp32 numbers, all the same.
fn file(tensor: &str, number: f32) -> Vec<u8> {
    let header = json!({ tensor: { "dtype": "F32", "shape": [NUMBERS], "data_offsets": [0, 4 * NUMBERS] } })
        .to_string();
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.bytes());
    bytes.extend(std::iter::repeat_n(number.to_le_bytes(), NUMBERS).flatten());
    bytes
}

fn sharded() -> (World, Address) {
    let world = World::new();
    world.host.serve_bytes(
        &format!("{BASE}model.safetensors.index.json"),
        br#"{"weight_map": {"a": "model-1-of-2.safetensors", "b": "model-2-of-2.safetensors"}}"#,
    );
    for (index, tensor) in ["a", "b"].into_iter().enumerate() {
        let name = format!("{BASE}model-{}-of-2.safetensors", index + 1);
        let (bytes, etag) = (Rc::new(file(tensor, index as f32 + 0.5)), Some("\"1\"".to_owned()));
        world.host.serve(&name, FakeFile { bytes, etag, no_ranges: false });
    }
    (world, Address { gpt2_tokenizer: false, ..address() })
}

/// Opens the model as the engine does. Returns the bytes from the network and from storage.
fn open(world: &World, address: &Address) -> patchlab::Result<[u64; 2]> {
    let tab = world.tab();
    world.clock.run(async {
        let checkpoint = Checkpoint::open(address.files(tab.context.clone()).await?.weights).await?;
        let planned = checkpoint.plan(&[("a".to_owned(), vec![NUMBERS]), ("b".to_owned(), vec![NUMBERS])])?;
        assert_eq!(planned, 8 * NUMBERS as u64);
        for (tensor, number) in [("a", 0.5), ("b", 1.5)] {
            assert!(
                checkpoint.read(tensor, 0, NUMBERS).await? == vec![number; NUMBERS],
                "other numbers in {tensor}"
            );
        }
        Ok(())
    })?;
    let last = tab.reported.borrow().last().cloned().expect("progress");
    assert_eq!(last.done, last.total, "the total is that of all files");
    let bytes = tab.context.progress.bytes();
    Ok([bytes.network as u64, bytes.storage as u64])
}

#[test]
fn the_files_of_an_index_are_fetched_once_and_kept_as_one_model() {
    let (world, address) = sharded();
    let [network, storage] = open(&world, &address).expect("it opens");
    assert_eq!(storage, 0);
    assert!(network >= 8 * NUMBERS as u64);
    let [model] = &world.stored()[..] else { panic!("one model") };
    assert!(model.complete);
    assert_eq!(model.bytes as u64, network);
    assert_eq!(open(&world, &address).expect("it opens"), [0, network]);
}

/// Some hosts answer with a page of their own where they have no file.
#[test]
fn a_page_in_place_of_an_index_is_no_index() {
    let world = World::new();
    let page = b"<!doctype html><title>Not found</title>";
    world.host.serve_bytes(&format!("{BASE}model.safetensors.index.json"), page);
    let address = Address { gpt2_tokenizer: false, ..address() };
    let tab = world.tab();
    assert!(
        world.clock.run(tab.read(&address)).expect("it opens") == weights(1),
        "other bytes than the host's"
    );
}

#[test]
fn a_model_without_its_last_file_is_not_complete() {
    let (world, address) = sharded();
    world.host.misbehave(|asked| {
        if asked.url.contains("model-2") && asked.is_large() { Fault::Status(403, None) } else { Fault::None }
    });
    open(&world, &address).expect_err("a file is missing");
    assert!(!world.stored()[0].complete);
    world.host.misbehave(|_| Fault::None);
    let [_, storage] = open(&world, &address).expect("it opens");
    assert!(storage >= 4 * NUMBERS as u64, "the first file was kept");
    assert!(world.stored()[0].complete);
}

#[test]
fn a_planted_model_is_one_file_and_has_its_truth_beside_it() {
    let world = World::new();
    for name in ["tokenizer.json", "truth.json"] {
        world.host.serve_bytes(&format!("{BASE}{name}"), name.as_bytes());
    }
    let planted = Address { gpt2_tokenizer: false, has_truth: true, ..address() };
    let files = world.clock.run(planted.files(world.tab().context)).expect("good files");
    assert_eq!(files.truth.as_deref(), Some("truth.json"));
    // A browser would log that there is no such file.
    let asked = world.host.take_asked();
    assert!(!asked.iter().any(|asked| asked.url.ends_with("index.json")), "{asked:?}");
}
