//! A child process with everything it starts, killed as one.
//!
//! A test that hangs has usually started something, and `cargo test` is itself only a parent: killing the
//! child alone would leave the rest behind, holding its ports and the build lock.

use std::io;
use std::process::{Child, Command, ExitStatus, Stdio};

/// A running command and its descendants. Dropping it kills what is left of them.
pub struct Group {
    child: Child,
    guard: Guard,
}

impl Group {
    /// Starts `command` as the head of a new group, without standard input and with its output piped.
    pub fn spawn(command: &mut Command) -> io::Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = isolate(command).spawn()?;
        match Guard::over(&child) {
            Ok(guard) => Ok(Self { child, guard }),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(error)
            }
        }
    }

    /// The head of the group, to take its pipes from.
    pub const fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// How the head ended, if it has.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Kills the head and all its descendants; returns when they are gone.
    pub fn kill(&mut self) {
        self.guard.kill();
        // Already dead, unless the guard was; then at least the head goes.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

#[cfg(unix)]
use unix::{Guard, isolate};

#[cfg(unix)]
mod unix {
    use std::io;
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command, Stdio};

    pub fn isolate(command: &mut Command) -> &mut Command {
        command.process_group(0)
    }

    /// A shell that kills the group as soon as its standard input ends.
    ///
    /// The group is not the terminal's foreground group, so Ctrl-C reaches only us. Our end of the pipe
    /// closes when we die, of whatever, and then the group dies too. The standard library can start a
    /// process group but not signal one, and this crate forbids unsafe code: hence the shell.
    pub struct Guard(Child);

    impl Guard {
        pub fn over(child: &Child) -> io::Result<Self> {
            // `read` returns at the end of input.
            let script = format!("read -r _; kill -KILL -{} 2>/dev/null", child.id());
            let mut shell = Command::new("sh");
            shell.args(["-c", &script]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
            shell.process_group(0).spawn().map(Self)
        }

        pub fn kill(&mut self) {
            drop(self.0.stdin.take());
            let _ = self.0.wait();
        }
    }
}

#[cfg(not(unix))]
use elsewhere::{Guard, isolate};

#[cfg(not(unix))]
mod elsewhere {
    use std::io;
    use std::process::{Child, Command, Stdio};

    pub fn isolate(command: &mut Command) -> &mut Command {
        command
    }

    /// The head's process id: Windows finds the descendants by their parents.
    pub struct Guard(Option<u32>);

    impl Guard {
        pub fn over(child: &Child) -> io::Result<Self> {
            Ok(Self(Some(child.id())))
        }

        pub fn kill(&mut self) {
            let Some(id) = self.0.take() else { return };
            let mut command = Command::new("taskkill");
            command.args(["/T", "/F", "/PID", &id.to_string()]);
            let _ = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
        }
    }
}
