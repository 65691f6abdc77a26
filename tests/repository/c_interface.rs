//! Whether the tables of `docs/C_API.md` say what `include/tme.h` declares, and the other way round.

use std::collections::{BTreeMap, BTreeSet};

use crate::tree;

fn page() -> String {
    tree::text(&tree::root().join("docs/C_API.md")).expect("the contract of the C interface is there")
}

fn header() -> String {
    tree::text(&tree::root().join("include/tme.h")).expect("the header is there")
}

/// The rows of a section's tables, each by its cells; code marks and spaces are taken off.
fn rows(page: &str, section: &str) -> Vec<Vec<String>> {
    let begin = format!("## {section}");
    let lines = page.lines().skip_while(|line| !line.starts_with(&begin)).skip(1);
    let lines = lines.take_while(|line| !line.starts_with("## "));
    let rows = lines.filter(|line| line.starts_with("| ") && !line.starts_with("| ---"));
    rows.map(|row| row.trim_matches('|').split(" | ").map(|cell| cell.trim().replace('`', "")).collect())
        .collect()
}

/// A number as a table has it: with a minus sign, not a hyphen.
fn number(cell: &str) -> Option<i64> {
    cell.replace('−', "-").parse().ok()
}

/// The numbered constants of the header whose names begin like this.
fn constants(header: &str, prefixes: &[&str]) -> BTreeMap<String, i64> {
    let defines = header.lines().filter_map(|line| line.strip_prefix("#define ")?.split_once(' '));
    let chosen = defines.filter(|(name, _)| prefixes.iter().any(|prefix| name.starts_with(prefix)));
    chosen
        .map(|(name, value)| {
            let digits = value.trim_start_matches('(').trim_end_matches([')', 'u']);
            (name.to_owned(), number(digits).unwrap_or_else(|| panic!("{name} is no number but {value:?}")))
        })
        .collect()
}

/// What a table says of constants: number first, name second.
fn documented(rows: &[Vec<String>]) -> BTreeMap<String, i64> {
    let numbered = rows.iter().filter_map(|row| Some((row.get(1)?, number(row.first()?)?)));
    numbered.map(|(name, number)| (name.clone(), number)).collect()
}

/// The functions of a row: full names, and endings that belong to the noun of the full name before.
fn functions(row: &[String]) -> Vec<String> {
    let mut noun = String::new();
    let mut names = Vec::new();
    for word in row.get(1).map_or("", String::as_str).split([',', ';', ' ']).filter(|word| !word.is_empty()) {
        if word.starts_with("tme_") {
            noun = word.splitn(3, '_').take(2).collect::<Vec<_>>().join("_");
            names.push(word.to_owned());
        } else {
            names.push(format!("{noun}{word}"));
        }
    }
    names
}

fn declared_functions(header: &str) -> BTreeSet<String> {
    let declarations = header.lines().filter_map(|line| line.strip_prefix("TME_C_API "));
    let heads = declarations.filter_map(|declaration| declaration.split('(').next());
    heads.filter_map(|head| head.rsplit([' ', '*']).next()).map(str::to_owned).collect()
}

#[test]
fn the_table_of_results_is_the_headers() {
    let header = constants(&header(), &["TME_OK", "TME_PARTIAL", "TME_ERROR_"]);
    assert!(header.len() > 30, "only {} results were found in the header", header.len());
    assert_eq!(documented(&rows(&page(), "2. Results")), header);
}

#[test]
fn the_table_of_events_is_the_headers() {
    let mut header = constants(&header(), &["TME_EVENT_"]);
    header.retain(|name, _| !name.starts_with("TME_EVENT_FLAG_"));
    let rows = rows(&page(), "6. Events");
    let (planned, there): (Vec<_>, Vec<_>) =
        rows.into_iter().partition(|row| row.get(2).is_some_and(|since| since == "planned"));
    let mut events = documented(&there);
    // The other table of this section has the fields.
    events.retain(|name, _| name.starts_with("TME_"));
    assert_eq!(events, header);
    for (name, number) in documented(&planned) {
        assert!(
            header.values().all(|&taken| taken != number),
            "{name} is planned with a number that is taken"
        );
    }
}

#[test]
fn the_table_of_an_events_fields_is_the_headers() {
    let header = header();
    let body = header.split_once("typedef struct TmeEvent {").and_then(|(_, rest)| rest.split_once('}'));
    let mut offset = 0;
    let mut fields = Vec::new();
    for line in body.expect("the struct is there").0.lines() {
        let Some(field) = line.trim().strip_suffix(';') else { continue };
        let at = field.rfind([' ', '*']).expect("a type comes before a name") + 1;
        let (of_type, name) = (field[..at].trim(), &field[at..]);
        let bytes = if of_type == "uint32_t" { 4 } else { 8 };
        fields.push((offset, name.to_owned(), of_type.to_owned()));
        offset += bytes;
    }
    assert_eq!(offset, 64);
    let rows = rows(&page(), "6. Events").into_iter();
    let documented = rows.filter(|row| row.len() == 4 && row[2] != "planned" && row[2] != "since");
    let documented = documented.filter_map(|row| Some((number(&row[0])?, row[1].clone(), row[2].clone())));
    let documented: Vec<_> = documented.filter(|(_, name, _)| !name.starts_with("TME_")).collect();
    assert_eq!(documented, fields);
}

#[test]
fn the_list_of_functions_is_the_headers() {
    let rows = rows(&page(), "11. What is where");
    let listed: Vec<String> = rows.iter().skip(1).flat_map(|row| functions(row)).collect();
    let set: BTreeSet<String> = listed.iter().cloned().collect();
    assert_eq!(set.len(), listed.len(), "a function is listed twice");
    let declared = declared_functions(&header());
    let missing: Vec<_> = declared.difference(&set).collect();
    assert!(missing.is_empty(), "declared and not listed: {missing:?}");
    let gone: Vec<_> = set.difference(&declared).collect();
    assert!(gone.is_empty(), "listed and not declared: {gone:?}");
}

#[test]
fn tables_are_read_as_they_are_written() {
    let page = "## 2. Results\n| number | constant |\n| --- | --- |\n| −7 | `TME_ERROR_X` | why |\n## 3. Next\n| 1 | `Y` |\n";
    let rows = rows(page, "2. Results");
    assert_eq!(documented(&rows), [("TME_ERROR_X".to_owned(), -7)].into());
    let row = ["server", "tme_server_config_init, tme_server_create, _destroy; _send"].map(str::to_owned);
    let names = ["tme_server_config_init", "tme_server_create", "tme_server_destroy", "tme_server_send"];
    assert_eq!(functions(&row), names);
    let header = "#define TME_ERROR_X (-7)\n#define TME_EVENT_Y 2u\nTME_C_API const char *tme_y(void);\n";
    assert_eq!(constants(header, &["TME_ERROR_"]), [("TME_ERROR_X".to_owned(), -7)].into());
    assert_eq!(constants(header, &["TME_EVENT_"]), [("TME_EVENT_Y".to_owned(), 2)].into());
    assert_eq!(declared_functions(header), ["tme_y".to_owned()].into());
}
