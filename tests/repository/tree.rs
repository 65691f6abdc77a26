//! The files of the repository, and what none of them may contain.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The repository's root directory.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("this crate is in a directory of the repository").to_owned()
}

/// All files that are in the repository or could be added to it: neither ignored nor built.
pub fn files() -> Vec<PathBuf> {
    let root = root();
    let arguments = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    match Command::new("git").args(arguments).current_dir(&root).output() {
        Ok(output) if output.status.success() => {
            let names = String::from_utf8(output.stdout).expect("file names are UTF-8");
            let files = names.split_terminator('\0').map(|name| root.join(name));
            // A file that was deleted but not yet committed is still listed.
            files.filter(|file| file.is_file()).collect()
        }
        // An unpacked archive, or a machine without git.
        _ => walk(&root),
    }
}

fn walk(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("the directory is readable");
    let paths = entries.map(|entry| entry.expect("the directory is readable").path());
    paths
        .filter(|path| !path.ends_with("target") && !path.ends_with(".git"))
        .flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] })
        .collect()
}

/// The files with this extension under a directory of the repository.
pub fn files_under(directory: &str, extension: &str) -> Vec<PathBuf> {
    let directory = root().join(directory);
    let mut files = files();
    files.retain(|file| {
        file.starts_with(&directory) && file.extension().is_some_and(|found| found == extension)
    });
    files
}

/// The path inside the repository, for messages and tables: with `/` on every system.
pub fn relative(path: &Path) -> String {
    let path = path.strip_prefix(root()).unwrap_or(path);
    path.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// The text of a file; `None` if it is not text.
pub fn text(path: &Path) -> Option<String> {
    String::from_utf8(fs::read(path).expect("the file is readable")).ok()
}

/// The places, as `file:line`, of lines that `is_bad` finds fault with.
fn places(is_bad: impl Fn(&str) -> bool) -> Vec<String> {
    let mut places = Vec::new();
    for file in files() {
        for (index, line) in text(&file).unwrap_or_default().lines().enumerate() {
            if is_bad(line) {
                places.push(format!("{}:{}: {}", relative(&file), index + 1, line.trim()));
            }
        }
    }
    places
}

/// Whether `line` contains `path` as the beginning of an absolute path: `/a/` in `b/a/` is none.
fn names_absolute(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '*' | '}' | '$'))
    })
}

/// The beginnings of paths that exist only on somebody's machine: the usual homes, and this checkout's.
fn machine_paths() -> Vec<String> {
    // Written in two halves, or this file would find itself.
    let mut paths =
        ["/ho|me/", "/ro|ot/", "/Us|ers/", r"C:\Us|ers\"].map(|path| path.replace('|', "")).to_vec();
    let root = root();
    let home = env::var_os("HOME").map(PathBuf::from);
    // Directories that every machine has may be named, even where somebody keeps a checkout in one.
    let everybodys = ["/", "/tmp", "/opt", "/src", "/srv", "/mnt", "/usr", "/usr/src", "/var", "/var/tmp"];
    for directory in [Some(root.as_path()), root.parent(), home.as_deref()].into_iter().flatten() {
        if everybodys.iter().all(|shared| directory != Path::new(shared)) {
            paths.push(format!("{}/", directory.display()));
        }
    }
    paths
}

#[test]
fn no_file_names_a_path_of_somebodys_machine() {
    let paths = machine_paths();
    let places = places(|line| paths.iter().any(|path| names_absolute(line, path)));
    assert!(places.is_empty(), "absolute paths of a machine:\n{}", places.join("\n"));
}

#[test]
fn no_file_names_the_host_of_a_package_registry() {
    // A package is named by its name. A host in a lock file or a script sends everybody to one mirror.
    let hosts = [
        "index.cra|tes.io",
        "static.cra|tes.io",
        "registry.npm|js.org",
        "registry.yarn|pkg.com",
        "py|pi.org",
        "files.python|hosted.org",
        "deb.deb|ian.org",
        "security.deb|ian.org",
        "archive.ubu|ntu.com",
        "proxy.gol|ang.org",
    ]
    .map(|host| host.replace('|', ""));
    let places = places(|line| hosts.iter().any(|host| line.contains(host)));
    assert!(places.is_empty(), "hosts of package registries:\n{}", places.join("\n"));
}

#[test]
fn an_absolute_path_is_told_from_a_relative_one() {
    let path = "/ro|ot/".replace('|', "");
    let table = [
        (format!("see {path}notes"), true),
        (format!("\"{path}notes\""), true),
        (format!("{path}notes"), true),
        (format!("src{path}notes"), false),
        (format!("https://example.org{path}notes"), false),
        (format!("${{prefix}}{path}notes"), false),
    ];
    for (line, expected) in table {
        assert_eq!(names_absolute(&line, &path), expected, "{line}");
    }
}

#[test]
fn the_tree_has_files_and_no_built_ones() {
    let files: Vec<String> = files().iter().map(|file| relative(file)).collect();
    for expected in ["Cargo.toml", "deny.toml", "tests/repository/tree.rs"] {
        assert!(files.iter().any(|file| file == expected), "{expected} is not listed");
    }
    assert!(files.iter().all(|file| !file.starts_with("target/")));
}
