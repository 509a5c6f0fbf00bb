//! What a shell offers for a word that is being typed: `aoa completions` prints a script that asks the program itself.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::path::Path;

use clap::CommandFactory;
use clap_complete::engine::complete as candidates_for;
use clap_complete::env::{Elvish, EnvCompleter, Fish, Powershell, Shells, Zsh};
use clap_complete::{CompleteEnv, Shell};

use crate::args::Args;
use crate::environment::variable;

/// Set by a script, to the name of its shell, where it asks for candidates.
const ASKED: &str = "_AOA_COMPLETE";
/// Set by the script for Bash to the place of the word among its words.
const PLACE: &str = "_AOA_COMPLETE_WORD";
/// The program, as shells find it.
const NAME: &str = "aoa";

const SHELLS: [&dyn EnvCompleter; 5] = [&Bash, &Elvish, &Fish, &Powershell, &Zsh];

/// Answers a script that asks for candidates, and ends the program; does nothing if none asks.
pub fn answer() {
    CompleteEnv::with_factory(Args::command)
        .var(ASKED)
        .shells(Shells(&SHELLS))
        .complete();
}

/// The script for a shell.
pub fn script(shell: Shell) -> io::Result<String> {
    let shell = shell.to_string();
    let mut script = Vec::new();
    for one in SHELLS.iter().filter(|one| one.is(&shell)) {
        one.write_registration(ASKED, NAME, NAME, NAME, &mut script)?;
    }
    String::from_utf8(script).map_err(io::Error::other)
}

/// Bash cuts words at `=` and `:`, which assignments and devices have, so the script that clap has for it completes no value
/// of a key.
struct Bash;

impl EnvCompleter for Bash {
    fn name(&self) -> &'static str {
        "bash"
    }

    fn is(&self, name: &str) -> bool {
        name == self.name()
    }

    fn write_registration(
        &self,
        variable: &str,
        name: &str,
        program: &str,
        completer: &str,
        script: &mut dyn Write,
    ) -> io::Result<()> {
        writeln!(
            script,
            "_{name}() {{
    local IFS=$'\\n'
    COMPREPLY=($({variable}=bash {PLACE}=\"$COMP_CWORD\" {completer} -- \"${{COMP_WORDS[@]}}\"))
    if [[ ${{#COMPREPLY[@]}} -eq 1 && ${{COMPREPLY[0]}} == *[=/] ]]; then
        compopt -o nospace 2>/dev/null
    fi
}}
complete -o bashdefault -F _{name} {program}"
        )
    }

    fn write_complete(
        &self,
        command: &mut clap::Command,
        words: Vec<OsString>,
        folder: Option<&Path>,
        answer: &mut dyn Write,
    ) -> io::Result<()> {
        let place = variable(PLACE).and_then(|place| place.parse().ok());
        let typed = Typed::of(words, place.unwrap_or(usize::MAX));
        let place = typed.words.len().saturating_sub(1);
        for candidate in candidates_for(command, typed.words, place, folder)? {
            let value = candidate.get_value().to_string_lossy();
            writeln!(
                answer,
                "{}",
                value.strip_prefix(&*typed.before).unwrap_or(&value)
            )?;
        }
        Ok(())
    }
}

/// The words up to the one that is being typed.
struct Typed {
    words: Vec<OsString>,
    /// The part of the last word that Bash takes for words of their own, and does not replace.
    before: String,
}

impl Typed {
    /// Puts together again what Bash cut.
    fn of(cut: Vec<OsString>, place: usize) -> Self {
        let is_cut = |word: &OsStr| {
            let bytes = word.as_encoded_bytes();
            !bytes.is_empty() && bytes.iter().all(|byte| b"=:".contains(byte))
        };
        let mut words: Vec<OsString> = Vec::new();
        let mut before = OsString::new();
        let mut after_cut = false;
        for word in cut.into_iter().take(place.saturating_add(1)) {
            let cut = is_cut(&word);
            match words.last_mut() {
                Some(last) if cut || after_cut => {
                    before.clone_from(last);
                    last.push(&word);
                    if cut {
                        before.clone_from(last);
                    }
                }
                _ => {
                    before.clear();
                    words.push(word);
                }
            }
            after_cut = cut;
        }
        Self {
            words,
            before: before.to_string_lossy().into_owned(),
        }
    }
}
