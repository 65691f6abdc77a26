//! Lets projects outside the repository use TME: installed, moved, by pkg-config, and built along.

use std::fs;
use std::path::{Path, PathBuf};

use crate::command::{command, output, run};
use crate::headers::cpp_headers;
use crate::library::{scratch_directory, target_directory};
use crate::native::test;

/// The projects and programs.
const PROJECTS: &str = "tests/cmake";

/// `cargo xtask cmake`.
pub fn check(root: &Path) -> Result<(), String> {
    let outside = Outside::new(root)?;
    outside.install()?;
    outside.check_headers()?;
    outside.check_paths()?;
    outside.find("found", &["-DWANTED_VERSION=0.1"])?;
    outside.is_refused("0.2")?;
    outside.pkg_config()?;
    let moved = outside.moved()?;
    moved.find("found-moved", &[])?;
    moved.pkg_config()?;
    moved.build_along()
}

/// An installed tree, and what uses it.
struct Outside<'a> {
    root: &'a Path,
    scratch: PathBuf,
    prefix: PathBuf,
}

impl<'a> Outside<'a> {
    fn new(root: &'a Path) -> Result<Self, String> {
        let scratch = scratch_directory(root, "cmake");
        if scratch.exists() {
            fs::remove_dir_all(&scratch).map_err(|error| format!("{}: {error}", scratch.display()))?;
        }
        fs::create_dir_all(&scratch).map_err(|error| format!("{}: {error}", scratch.display()))?;
        Ok(Self { root, prefix: scratch.join("prefix"), scratch })
    }

    fn install(&self) -> Result<(), String> {
        println!("--- install");
        let build = self.scratch.join("install");
        let options = ["-DTME_BUILD_TESTS=OFF", "-DTME_BUILD_EXAMPLES=OFF", &self.cargo_builds_here()];
        self.configure(Path::new("."), &build, "Ninja", &options)?;
        run(command("cmake", self.root).arg("--build").arg(&build))?;
        run(command("cmake", self.root).arg("--install").arg(&build).arg("--prefix").arg(&self.prefix))
    }

    fn configure(
        &self,
        source: &Path,
        build: &Path,
        generator: &str,
        options: &[&str],
    ) -> Result<(), String> {
        let mut cmake = command("cmake", self.root);
        cmake.arg("-S").arg(source).arg("-B").arg(build).args(["-G", generator]).args(options);
        if generator != "Ninja Multi-Config" {
            cmake.arg("-DCMAKE_BUILD_TYPE=Release");
        }
        run(&mut cmake)
    }

    /// The option by which cargo builds where it always does: one library for all checks.
    fn cargo_builds_here(&self) -> String {
        format!("-DTME_CARGO_TARGET_DIR={}", target_directory(self.root).display())
    }

    /// Every header that programs include is installed under the name they include it by.
    fn check_headers(&self) -> Result<(), String> {
        let names = [vec!["tme.h".to_owned()], cpp_headers(self.root)?].concat();
        match names.iter().find(|name| !self.prefix.join("include").join(name).is_file()) {
            None => Ok(()),
            Some(name) => Err(format!("{name} is not installed")),
        }
    }

    /// What is installed must not remember where it was made, or it could not be moved.
    fn check_paths(&self) -> Result<(), String> {
        for directory in ["lib/cmake/TME", "lib/pkgconfig"] {
            let directory = self.prefix.join(directory);
            let explain = |error: std::io::Error| format!("{}: {error}", directory.display());
            for entry in fs::read_dir(&directory).map_err(explain)? {
                let path = entry.map_err(explain)?.path();
                let text = fs::read_to_string(&path).map_err(explain)?;
                for place in [self.root, self.prefix.as_path()] {
                    if text.contains(&place.display().to_string()) {
                        return Err(format!("{} names {}", path.display(), place.display()));
                    }
                }
            }
        }
        Ok(())
    }

    /// A project that calls `find_package`, in a build directory of this name.
    fn find(&self, name: &str, options: &[&str]) -> Result<(), String> {
        println!("--- find_package, {name}");
        let build = self.scratch.join(name);
        let prefix = format!("-DCMAKE_PREFIX_PATH={}", self.prefix.display());
        let source = Path::new(PROJECTS).join("found");
        self.configure(&source, &build, "Ninja", &[options, &[prefix.as_str()]].concat())?;
        run(command("cmake", self.root).arg("--build").arg(&build))?;
        test(self.root, &build, None)
    }

    fn is_refused(&self, version: &str) -> Result<(), String> {
        let mut cmake = command("cmake", self.root);
        cmake
            .args(["-S", &format!("{PROJECTS}/found"), "-G", "Ninja", "-B"])
            .arg(self.scratch.join("refused"));
        cmake.arg(format!("-DCMAKE_PREFIX_PATH={}", self.prefix.display()));
        cmake.arg(format!("-DWANTED_VERSION={version}"));
        match output(&mut cmake) {
            Err(said) if said.contains("compatible") && said.contains("version: ") => {
                println!("find_package(TME {version}) is refused");
                Ok(())
            }
            Err(said) => Err(format!("find_package(TME {version}) fails, but not for its version: {said}")),
            Ok(_) => Err(format!("find_package(TME {version}) is accepted")),
        }
    }

    /// Plain compilers with what pkg-config says: the shared library, the static one beside it, and the static
    /// one alone.
    fn pkg_config(&self) -> Result<(), String> {
        println!("--- pkg-config");
        let only_static = self.prefix.with_file_name("only-static");
        copy_but_shared(&self.prefix, &only_static)?;
        for program in programs(self.root)? {
            self.compile(&program, &self.prefix, "tme", Linked::Shared)?;
            self.compile(&program, &self.prefix, "tme-static", Linked::Static)?;
            self.compile(&program, &only_static, "tme", Linked::Static)?;
        }
        Ok(())
    }

    fn compile(&self, program: &Path, prefix: &Path, package: &str, linked: Linked) -> Result<(), String> {
        let mut pkg_config = command("pkg-config", self.root);
        pkg_config.env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig")).args(["--cflags", "--libs"]);
        if linked == Linked::Static {
            pkg_config.arg("--static");
        }
        let flags = output(pkg_config.arg(package))?;
        let is_c = program.extension().is_some_and(|extension| extension == "c");
        let executable = self.scratch.join("program");
        let mut compiler = command(if is_c { "cc" } else { "c++" }, self.root);
        compiler.arg(program).arg("-o").arg(&executable).args(flags.split_whitespace());
        run(&mut compiler)?;
        let dynamic = output(command("readelf", self.root).arg("--dynamic").arg(&executable))?;
        if dynamic.contains("[libtme.so") != (linked == Linked::Shared) {
            return Err(format!("{package} with {linked:?} linked the other library"));
        }
        let mut running = command(&executable, self.root);
        if linked == Linked::Shared {
            running.env("LD_LIBRARY_PATH", prefix.join("lib"));
        }
        let said = output(&mut running)?;
        println!("{} by {package}, {linked:?}: {}", program.display(), said.trim());
        Ok(())
    }

    /// The same tree at another place.
    fn moved(&self) -> Result<Self, String> {
        println!("--- moved");
        let prefix = self.scratch.join("elsewhere/below");
        fs::create_dir_all(self.scratch.join("elsewhere"))
            .and_then(|()| fs::rename(&self.prefix, &prefix))
            .map_err(|error| format!("{}: {error}", prefix.display()))?;
        Ok(Self { root: self.root, scratch: self.scratch.clone(), prefix })
    }

    /// Projects that build TME themselves: FetchContent with several configurations in one build directory,
    /// and `add_subdirectory` with make.
    fn build_along(&self) -> Result<(), String> {
        println!("--- FetchContent");
        let source = Path::new(PROJECTS).join("fetched");
        let build = self.scratch.join("fetched");
        self.configure(&source, &build, "Ninja Multi-Config", &[&self.cargo_builds_here()])?;
        for configuration in ["Debug", "Release"] {
            run(command("cmake", self.root).arg("--build").arg(&build).args(["--config", configuration]))?;
            test(self.root, &build, Some(configuration))?;
        }
        println!("--- add_subdirectory");
        let build = self.scratch.join("added");
        let source = Path::new(PROJECTS).join("added");
        self.configure(&source, &build, "Unix Makefiles", &[&self.cargo_builds_here()])?;
        run(command("cmake", self.root).arg("--build").arg(&build))?;
        test(self.root, &build, None)
    }
}

/// Which library a program is to be linked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Linked {
    Shared,
    Static,
}

/// Copies an installed tree without its shared library.
fn copy_but_shared(from: &Path, to: &Path) -> Result<(), String> {
    let explain = |error: std::io::Error| format!("{}: {error}", to.display());
    fs::create_dir_all(to).map_err(explain)?;
    for entry in fs::read_dir(from).map_err(explain)? {
        let path = entry.map_err(explain)?.path();
        let name = path.file_name().unwrap_or_default();
        if path.is_dir() {
            copy_but_shared(&path, &to.join(name))?;
        } else if !name.to_string_lossy().starts_with("libtme.so") {
            fs::copy(&path, to.join(name)).map_err(explain)?;
        }
    }
    Ok(())
}

/// The sources that each project builds.
fn programs(root: &Path) -> Result<Vec<PathBuf>, String> {
    let directory = root.join(PROJECTS).join("programs");
    let explain = |error: std::io::Error| format!("{}: {error}", directory.display());
    let entries =
        fs::read_dir(&directory).map_err(explain)?.collect::<Result<Vec<_>, _>>().map_err(explain)?;
    let mut paths: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "c" || extension == "cpp"));
    paths.sort();
    Ok(paths)
}
