//! Checks what the shared library shows to the outside: its functions, its soname, what it needs of the system.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::command::{command, output};
use crate::header::HEADER;
use crate::library;
use crate::metadata;
use crate::static_libs;

/// Where people read which glibc they need.
const PAGE: &str = "docs/BUILDING_C.md";
/// The libraries that every Linux system with a C program has. Any other one would be news to whoever ships.
const EXPECTED: [&str; 4] = ["libc.so", "libgcc_s.so", "libm.so", "ld-linux-"];

/// `cargo xtask symbols`.
pub fn check(root: &Path) -> Result<(), String> {
    if !cfg!(target_os = "linux") {
        println!("only on Linux is there anything to check");
        return Ok(());
    }
    let library = library::build(root)?.join("libtme.so");
    let header = fs::read_to_string(root.join(HEADER)).map_err(|error| format!("{HEADER}: {error}"))?;
    let symbols = output(command("nm", root).args(["-D", "--defined-only"]).arg(&library))?;
    let functions = compare(&declared(&header), &exported(&symbols))?;
    println!("{functions} functions, in the library and in the header");

    let dynamic = output(command("readelf", root).args(["--dynamic", "--wide"]).arg(&library))?;
    let major = env!("CARGO_PKG_VERSION_MAJOR");
    check_soname(&dynamic, &format!("libtme.so.{major}"))?;
    println!("soname libtme.so.{major}; needs {}", check_needed(&dynamic)?);

    let floor = metadata::workspace_setting(root, "glibc")?;
    let versions = output(command("objdump", root).arg("-T").arg(&library))?;
    println!("{}", check_glibc(&versions, &floor)?);
    let page = fs::read_to_string(root.join(PAGE)).map_err(|error| format!("{PAGE}: {error}"))?;
    let sentence = format!("glibc {floor}");
    if !page.contains(&sentence) {
        return Err(format!("{PAGE} does not say {sentence:?}"));
    }
    static_libs::check_host(root)
}

/// The functions that the header declares.
fn declared(header: &str) -> BTreeSet<&str> {
    let declarations = header.lines().filter_map(|line| line.strip_prefix("TME_C_API "));
    declarations.filter_map(|line| line.split('(').next()?.split([' ', '*']).next_back()).collect()
}

/// The names in what `nm` prints: an address, a letter, a name.
fn exported(symbols: &str) -> BTreeSet<&str> {
    symbols.lines().filter_map(|line| line.split_whitespace().nth(2)).collect()
}

fn compare(declared: &BTreeSet<&str>, exported: &BTreeSet<&str>) -> Result<usize, String> {
    let list = |names: Vec<&&str>, what: &str| {
        let names: Vec<&str> = names.into_iter().copied().collect();
        (!names.is_empty()).then(|| format!("{what}: {}", names.join(", ")))
    };
    let complaints: Vec<String> = [
        list(declared.difference(exported).collect(), "in the header, but not exported"),
        list(exported.difference(declared).collect(), "exported, but not in the header"),
    ]
    .into_iter()
    .flatten()
    .collect();
    if !complaints.is_empty() {
        Err(complaints.join("\n"))
    } else if declared.is_empty() {
        Err(format!("{HEADER} declares no function"))
    } else {
        Ok(declared.len())
    }
}

/// The values of one kind of entry in what `readelf --dynamic` prints.
fn entries<'a>(dynamic: &'a str, kind: &str) -> Vec<&'a str> {
    let lines = dynamic.lines().filter(|line| line.contains(kind));
    lines.filter_map(|line| line.split_once('[')?.1.split(']').next()).collect()
}

fn check_soname(dynamic: &str, expected: &str) -> Result<(), String> {
    match entries(dynamic, "(SONAME)").as_slice() {
        [soname] if *soname == expected => Ok(()),
        found => Err(format!("the soname should be {expected}, but is {}", found.join(" and "))),
    }
}

fn check_needed(dynamic: &str) -> Result<String, String> {
    let needed = entries(dynamic, "(NEEDED)");
    let is_expected = |name: &&str| EXPECTED.iter().any(|expected| name.starts_with(expected));
    match needed.iter().find(|name| !is_expected(name)) {
        None => Ok(needed.join(", ")),
        Some(name) => Err(format!("the library needs {name}, which not every system has")),
    }
}

/// Compares the newest version of glibc that a symbol asks for with what we promise.
fn check_glibc(versions: &str, floor: &str) -> Result<String, String> {
    let promised = version(floor).ok_or_else(|| format!("{floor:?} is not a version of glibc"))?;
    let asked = versions.lines().filter_map(|line| {
        let (_, rest) = line.split_once("GLIBC_")?;
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        Some((version(&rest[..end])?, rest[end..].trim_start_matches([')', ' '])))
    });
    let (needed, symbol) = asked.max().ok_or("no symbol asks for a version of glibc")?;
    let text = |(major, minor)| format!("glibc {major}.{minor}");
    if needed > promised {
        return Err(format!(
            "{symbol} needs {}, but workspace.metadata.tme promises glibc {floor}: build on an older system, or \
             raise the promise there and in {PAGE}",
            text(needed)
        ));
    }
    Ok(format!("{symbol} needs {}; promised is glibc {floor}", text(needed)))
}

fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split('.').map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_missing_on_either_side_are_named() {
        let header = "TME_C_API uint32_t tme_version(void);\nTME_C_API const char *tme_text(\n    int a);\n\
            #define TME_C_API\n * TME_C_API is a macro\n";
        let declared = declared(header);
        assert_eq!(declared, ["tme_text", "tme_version"].into());
        let symbols = "0000000000047df0 T tme_version\n0000000000047df0 T tme_text\n";
        assert_eq!(compare(&declared, &exported(symbols)), Ok(2));
        let error = compare(&declared, &exported("0 T tme_version\n0 T ring_core_x\n")).unwrap_err();
        assert_eq!(
            error,
            "in the header, but not exported: tme_text\nexported, but not in the header: ring_core_x"
        );
        assert!(compare(&BTreeSet::new(), &BTreeSet::new()).is_err());
    }

    const DYNAMIC: &str = " 0x0000000000000001 (NEEDED)  Shared library: [libgcc_s.so.1]\n\
         0x0000000000000001 (NEEDED)             Shared library: [libc.so.6]\n\
         0x000000000000000e (SONAME)             Library soname: [libtme.so.0]\n";

    #[test]
    fn soname_and_needs_are_read() {
        assert_eq!(check_soname(DYNAMIC, "libtme.so.0"), Ok(()));
        assert!(check_soname(DYNAMIC, "libtme.so.1").is_err());
        assert!(check_soname("", "libtme.so.0").is_err());
        assert_eq!(check_needed(DYNAMIC).unwrap(), "libgcc_s.so.1, libc.so.6");
        let error = check_needed(&DYNAMIC.replace("libc.so.6", "libssl.so.3")).unwrap_err();
        assert!(error.contains("libssl.so.3"));
    }

    #[test]
    fn the_newest_glibc_decides() {
        let versions = "0000 DF *UND* 0000 (GLIBC_2.9) pipe2\n0000 DF *UND* 0000 (GLIBC_2.34) dlsym\n\
            0000 DF *UND* 0000 (GCC_3.0) _Unwind_Resume\n0000 w DF *UND* 0000  GLIBC_2.2.5 malloc\n";
        assert_eq!(check_glibc(versions, "2.34").unwrap(), "dlsym needs glibc 2.34; promised is glibc 2.34");
        assert!(check_glibc(versions, "2.100").is_ok());
        assert!(check_glibc(versions, "2.31").unwrap_err().starts_with("dlsym needs glibc 2.34, but"));
        assert!(check_glibc("", "2.31").is_err());
        assert!(check_glibc(versions, "two").is_err());
    }
}
