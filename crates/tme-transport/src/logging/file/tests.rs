use super::*;

/// A folder of its own for each test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("tme-log-file-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl std::ops::Deref for Folder {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The files of a folder by name, with their contents.
fn contents(folder: &Path) -> Vec<(String, String)> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap())
        })
        .collect();
    files.sort();
    files
}

fn owned(files: &[(&str, &str)]) -> Vec<(String, String)> {
    files.iter().map(|&(name, text)| (name.to_owned(), text.to_owned())).collect()
}

#[test]
fn full_files_are_numbered_and_the_oldest_goes() {
    let folder = Folder::new("rotation");
    let mut log = LogFile::open(&folder.join("game.log"), 10, 2).unwrap();
    for line in ["one\n", "two\n", "three\n", "four\n", "five\n", "six\n", "seven\n", "eight\n"] {
        log.write_all(line.as_bytes()).unwrap();
    }
    let expected = [("game.log", "eight\n"), ("game.log.1", "six\nseven\n"), ("game.log.2", "four\nfive\n")];
    assert_eq!(contents(&folder), owned(&expected));
    assert_eq!(log.lost_lines().count(), 0);
}

#[test]
fn with_no_old_files_to_keep_a_full_file_is_emptied() {
    let folder = Folder::new("keep-none");
    let mut log = LogFile::open(&folder.join("game.log"), 10, 0).unwrap();
    for line in ["one\n", "two\n", "three\n"] {
        log.write_all(line.as_bytes()).unwrap();
    }
    assert_eq!(contents(&folder), owned(&[("game.log", "three\n")]));
}

#[test]
fn an_existing_file_is_continued_and_counts() {
    let folder = Folder::new("continued");
    fs::write(folder.join("game.log"), "older\n").unwrap();
    let mut log = LogFile::open(&folder.join("game.log"), 10, 1).unwrap();
    log.write_all(b"one\n").unwrap();
    log.write_all(b"two\n").unwrap();
    assert_eq!(contents(&folder), owned(&[("game.log", "two\n"), ("game.log.1", "older\none\n")]));
}

#[test]
fn a_file_that_cannot_be_renamed_is_emptied_so_that_the_bound_holds() {
    let folder = Folder::new("no-rename");
    // A folder that is not empty stands where the full file should go.
    fs::create_dir_all(folder.join("game.log.1/in the way")).unwrap();
    let mut log = LogFile::open(&folder.join("game.log"), 10, 1).unwrap();
    for line in ["one\n", "two\n", "three\n"] {
        log.write_all(line.as_bytes()).unwrap();
    }
    assert_eq!(fs::read_to_string(folder.join("game.log")).unwrap(), "three\n");
    assert_eq!(log.lost_lines().count(), 0);
    assert!(log.reported);
}

#[test]
fn lines_that_cannot_be_written_are_counted_and_do_no_harm() {
    let folder = Folder::new("lost");
    let path = folder.join("game.log");
    let mut log = LogFile::open(&path, 10, 1).unwrap();
    log.write_all(b"one\ntwo\n").unwrap();
    // The folder goes away: the next file cannot be opened.
    fs::remove_dir_all(&*folder).unwrap();
    log.write_all(b"three\n").unwrap();
    log.write_all(b"four\n").unwrap();
    assert_eq!(log.lost_lines().count(), 2);
    // It comes back, and with it the lines.
    fs::create_dir_all(&*folder).unwrap();
    log.write_all(b"five\n").unwrap();
    assert_eq!(contents(&folder), owned(&[("game.log", "five\n")]));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_does_not_rotate_good_files_away() {
    let mut log = LogFile::open(Path::new("/dev/full"), 10, 1).unwrap();
    for _ in 0..10 {
        log.write_all(b"nobody reads this\n"[..9].as_ref()).unwrap();
    }
    assert_eq!(log.lost_lines().count(), 10);
    assert_eq!(log.written_bytes, 0);
}
