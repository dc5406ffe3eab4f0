//! Golden vectors: the exact bytes of everything that is signed, shown or sent.
//!
//! Who changes a format changes these files, and with them every box that already runs. After a wanted
//! change, copy what the failing test wrote to the place it names.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic too")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use data_encoding::HEXLOWER;
use ipld_core::ipld::Ipld;
use kith_core::body::{Body, SpaceRole};
use kith_core::capability::{Ability, Capability, Grant};
use kith_core::cid::{Cid, Codec};
use kith_core::identity::SecretKey;
use kith_core::invite::{Contact, Invite, Terms};
use kith_core::record::{Class, Draft, Record, RecordId, SpaceId};
use kith_core::seal::{End, Seal};
use kith_core::time::{Hlc, UnixTime};
use kith_core::wire::cbor;
use kith_core::wire::frame::{
    Admission, Block, GetRecords, Hello, HelloSpace, Push, Pushed, Recon, Records, VERSION, Want,
};
use serde::Serialize;
use serde_bytes::ByteBuf;

const NOON: UnixTime = UnixTime::from_millis(1_790_000_000_000);

#[test]
fn keys_look_as_they_always_did() {
    let mut text = String::from("# name, seed, did:key, six words\n");
    for (name, key) in [("ada", ada()), ("box", node()), ("invite", ephemeral())] {
        let seed = HEXLOWER.encode(&*key.seed());
        writeln!(text, "{name} {seed} {} {}", key.author_id(), key.author_id().words()).unwrap();
    }
    golden("keys.txt", &text);
}

#[test]
fn records_have_the_bytes_they_always_had() {
    let mut text = String::from("# name, id, bytes\n");
    for (name, record) in records() {
        let bytes = HEXLOWER.encode(record.bytes());
        writeln!(text, "{name} {} {bytes}", record.id()).unwrap();
        assert_eq!(Record::decode(record.bytes()).unwrap(), record, "{name}");
    }
    golden("records.txt", &text);
}

#[test]
fn capabilities_have_the_bytes_they_always_had() {
    let mut text = String::from("# name, bytes\n");
    for ability in [Ability::Host, Ability::Join, Ability::JoinMany] {
        let bytes = cbor::encode(&capability(ability));
        writeln!(text, "{ability:?} {}", HEXLOWER.encode(&bytes)).unwrap();
        assert!(cbor::decode::<Capability>(&bytes, 1_024).unwrap().verifies());
    }
    golden("capabilities.txt", &text);
}

#[test]
fn invite_codes_look_as_they_always_did() {
    let mut text = String::from("# name, code\n");
    for (name, many) in [("one", false), ("many", true)] {
        let invite = invite(many);
        writeln!(text, "{name} {invite}").unwrap();
        assert_eq!(invite.to_string().parse::<Invite>().unwrap().capability(), invite.capability());
    }
    golden("invites.txt", &text);
}

#[test]
fn frames_have_the_bytes_they_always_had() {
    let mut text = String::from("# name, bytes\n");
    for (name, bytes) in frames() {
        writeln!(text, "{name} {}", HEXLOWER.encode(&bytes)).unwrap();
    }
    golden("frames.txt", &text);
}

/// Every map of the schemas has the fields that are really written, in the order they are written in.
#[test]
fn the_schemas_name_the_fields_that_are_written() {
    let mut written = BTreeSet::new();
    let mut see = |bytes: &[u8]| fields(&cbor::decode(bytes, 1 << 20).unwrap(), &mut written);
    for (_, record) in records() {
        see(record.bytes());
    }
    for (_, frame) in frames() {
        see(&frame);
    }
    let code = invite(false).to_string();
    see(&data_encoding::BASE32_NOPAD.decode(&code.as_bytes()["KITH1-".len()..]).unwrap());
    let schemas = ["capability", "record", "invite", "frames"].map(|name| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("schema/{name}.cddl"));
        std::fs::read_to_string(path).unwrap()
    });
    assert_eq!(schema_fields(&schemas.concat()), written);
}

fn golden(file: &str, made: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(file);
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    if known != made {
        let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join(file);
        std::fs::write(&copy, made).unwrap();
        panic!("{} differs; what is made today is in {}", path.display(), copy.display());
    }
}

/// The sorted lists of keys of all maps in `value`.
fn fields(value: &Ipld, seen: &mut BTreeSet<String>) {
    match value {
        Ipld::Map(map) => {
            let mut keys: Vec<&str> = map.keys().map(String::as_str).collect();
            keys.sort_by_key(|key| (key.len(), *key));
            seen.insert(keys.join(" "));
            map.values().for_each(|value| fields(value, seen));
        }
        Ipld::List(list) => list.iter().for_each(|value| fields(value, seen)),
        Ipld::Null
        | Ipld::Bool(_)
        | Ipld::Integer(_)
        | Ipld::Float(_)
        | Ipld::String(_)
        | Ipld::Bytes(_)
        | Ipld::Link(_) => {}
    }
}

/// The keys between each pair of braces, sorted and without repetition (a record has alternatives).
fn schema_fields(schemas: &str) -> BTreeSet<String> {
    let plain: String = schemas.lines().filter_map(|line| line.split(';').next()).collect();
    let (mut open, mut seen) = (Vec::new(), BTreeSet::new());
    let mut word = String::new();
    for c in plain.chars() {
        match c {
            '{' => open.push(BTreeSet::new()),
            '}' => {
                let keys: BTreeSet<(usize, String)> = open.pop().unwrap();
                let keys: Vec<String> = keys.into_iter().map(|(_, key)| key).collect();
                // Repetitions in regular expressions have braces too.
                if !keys.is_empty() {
                    seen.insert(keys.join(" "));
                }
            }
            ':' => {
                open.last_mut().unwrap().insert((word.len(), core::mem::take(&mut word)));
            }
            '"' => {}
            c if c.is_ascii_alphanumeric() => word.push(c),
            _ => word.clear(),
        }
    }
    seen
}

fn ada() -> SecretKey {
    SecretKey::from_seed(&[1; 32])
}

fn node() -> SecretKey {
    SecretKey::from_seed(&[2; 32])
}

fn ephemeral() -> SecretKey {
    SecretKey::from_seed(&[3; 32])
}

fn space() -> SpaceId {
    records()[0].1.space()
}

fn capability(ability: Ability) -> Capability {
    let grant = Grant {
        space: SpaceId([9; 32]),
        audience: node().public(),
        ability,
        not_before: NOON,
        expires: UnixTime::from_millis(NOON.as_millis() + 86_400_000),
        nonce: [4; 16],
    };
    Capability::issue(&ada(), &grant)
}

fn invite(many: bool) -> Invite {
    let terms = Terms {
        space: SpaceId([9; 32]),
        many,
        not_before: NOON,
        expires: UnixTime::from_millis(NOON.as_millis() + 86_400_000),
        nonce: [4; 16],
    };
    let addresses = vec!["192.168.77.1:7000".parse().unwrap(), "[fd00::1]:7001".parse().unwrap()];
    Invite::issue(&ada(), ephemeral(), &terms, Contact { node: node().node_id(), addresses })
}

fn records() -> Vec<(&'static str, Record)> {
    let genesis = Body::Genesis { nonce: [5; 16], name: "Elm Street".into() };
    let draft = |space, class, seq: u64, body| Draft {
        space,
        class,
        seq,
        prev: (seq > 0).then_some(RecordId([6; 32])),
        time: Hlc::at(NOON),
        gov_heads: space.map(|space: SpaceId| RecordId(space.0)).into_iter().collect(),
        body,
    };
    let genesis = Record::sign(&ada(), draft(None, Class::Gov, 0, genesis));
    let space = genesis.space();
    let member = ephemeral().author_id();
    let files = Class::files("shared").unwrap();
    let put = |folder, mime: Option<&str>| Body::Put {
        path: "Fotos/Grün 🌱.jpg".into(),
        root: Cid::from_digest(if folder { Codec::DagPb } else { Codec::Raw }, [7; 32]),
        size: 1_500_000,
        folder,
        mime: mime.map(str::to_owned),
    };
    let text = "A notice\nof two lines".to_owned();
    let bodies = [
        ("join", Class::Gov, invite(false).join(&member, &node().node_id(), "Grace".into())),
        (
            "member.set",
            Class::Gov,
            Body::MemberSet { member, role: SpaceRole::Owner, name: "Grace".into() },
        ),
        ("member.del", Class::Gov, Body::MemberDel { member }),
        ("policy.set", Class::Gov, Body::PolicySet { public: vec![Class::Board, files.clone()] }),
        ("post", Class::Board, Body::Post { text: text.clone(), re: None }),
        ("reply", Class::Board, Body::Post { text, re: Some(RecordId([8; 32])) }),
        ("post-del", Class::Board, Body::PostDel { post: RecordId([8; 32]) }),
        ("put", files.clone(), put(false, Some("image/jpeg"))),
        ("put-folder", files.clone(), put(true, None)),
        ("file-del", files, Body::FileDel { path: "Fotos".into() }),
    ];
    let mut records = vec![("genesis", genesis)];
    for (seq, (name, class, body)) in bodies.into_iter().enumerate() {
        let seq = if name == "post" { 0 } else { seq as u64 + 1 };
        records.push((name, Record::sign(&ada(), draft(Some(space), class, seq, body))));
    }
    records
}

fn frames() -> Vec<(&'static str, Vec<u8>)> {
    let space = space();
    let seal = Seal::new(&[9; 32], &space);
    let records: Vec<ByteBuf> =
        records().iter().take(2).map(|(_, record)| ByteBuf::from(&record.bytes()[..])).collect();
    let admission = Admission { host: capability(Ability::Host), join: None };
    let newcomer = Admission { join: Some(records[1].clone()), ..admission.clone() };
    let sealed = seal.seal(End::Dialler, 0, &cbor::encode(&admission));
    let hello = |s| Hello { v: vec![VERSION], i: 1, t: NOON, s };
    let (h, raw) = (seal.handle(), Cid::of(Codec::Raw, b"some bytes"));
    let open = Recon::Open { h, c: Class::Board, n: 300, f: [1; 16].into() };
    let want = vec![raw, Cid::from_digest(Codec::DagPb, [2; 32])];
    vec![
        ("hello", bytes(&hello(vec![HelloSpace { h, c: ByteBuf::from(sealed) }]))),
        ("hello-empty", bytes(&hello(vec![]))),
        ("admission", bytes(&admission)),
        ("admission-join", bytes(&newcomer)),
        ("recon-open", bytes(&open)),
        ("recon-equal", bytes(&Recon::Equal)),
        ("recon-message", bytes(&Recon::Message(ByteBuf::from([0x61, 0])))),
        ("recon-refused", bytes(&Recon::Refused)),
        ("push", bytes(&Push { h, r: records.clone() })),
        ("pushed", bytes(&Pushed { n: 2 })),
        ("get-records", bytes(&GetRecords { h, i: vec![[1; 32].into(), [2; 32].into()] })),
        ("records", bytes(&Records { r: records, z: true })),
        ("want", bytes(&Want { h, c: want })),
        ("block", [Block::head(&raw, 10), b"some bytes".to_vec()].concat()),
        ("block-missing", Block::missing(&raw)),
    ]
}

fn bytes<T: Serialize>(frame: &T) -> Vec<u8> {
    cbor::encode(frame)
}
