//! The shape of each crate: what its files take from one another runs in no circle.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};
use syn::{Attribute, Item, UseTree};

/// A module by its path from the root of the crate.
type ModulePath = Vec<String>;

/// What a name stands for in a module.
enum Name {
    /// An item of the module.
    Item,
    /// Something else under this name, as the module writes its path.
    Import(Vec<String>),
}

#[derive(Default)]
struct ModuleNames {
    file: PathBuf,
    names: BTreeMap<String, Name>,
    /// Modules of which all names are taken over.
    globs: Vec<Vec<String>>,
    /// Paths that the module writes, imports among them.
    paths: Vec<Vec<String>>,
}

/// All modules of a crate but those that only tests have.
#[derive(Default)]
struct Crate(BTreeMap<ModulePath, ModuleNames>);

impl Crate {
    fn read(root: &Path) -> Self {
        let mut found = Self::default();
        let folder = root.parent().expect("a folder");
        found.read_file(root, folder, Vec::new());
        found
    }

    /// Reads a file; modules that it declares lie in `folder`.
    fn read_file(&mut self, file: &Path, folder: &Path, path: ModulePath) {
        let text = fs::read_to_string(file).expect("a source file");
        let parsed = syn::parse_file(&text);
        let parsed = parsed.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        self.read_items(&parsed.items, file, folder, path);
    }

    fn read_items(&mut self, items: &[Item], file: &Path, folder: &Path, path: ModulePath) {
        let mut module = ModuleNames {
            file: file.to_owned(),
            ..ModuleNames::default()
        };
        for item in items {
            if only_in_tests(attributes(item)) {
                continue;
            }
            match item {
                Item::Mod(child) => {
                    let name = child.ident.to_string();
                    let within = [&path[..], std::slice::from_ref(&name)].concat();
                    let inner = folder.join(&name);
                    if let Some((_, items)) = &child.content {
                        self.read_items(items, file, &inner, within);
                    } else {
                        let beside = folder.join(format!("{name}.rs"));
                        let file = Some(beside).filter(|file| file.is_file());
                        let file = file.unwrap_or_else(|| inner.join("mod.rs"));
                        self.read_file(&file, &inner, within);
                    }
                }
                Item::Use(import) => module.import(&import.tree, &[]),
                item => {
                    let names = &mut module.names;
                    names.extend(defined(item).map(|name| (name, Name::Item)));
                    Paths(&mut module.paths).visit_item(item);
                }
            }
        }
        self.0.insert(path, module);
    }

    /// The module that has the item of a path which `from` writes. Nothing for what is not of this crate.
    fn home(&self, from: &[String], path: &[String], depth: usize) -> Option<ModulePath> {
        if depth > 16 {
            return None;
        }
        let (first, mut rest) = path.split_first()?;
        let mut module = match first.as_str() {
            "crate" => Vec::new(),
            "self" => from.to_vec(),
            "super" => from[..from.len().checked_sub(1)?].to_vec(),
            _ => {
                rest = path;
                from.to_vec()
            }
        };
        loop {
            let Some((name, after)) = rest.split_first() else {
                return Some(module);
            };
            if name == "super" {
                module.pop()?;
                rest = after;
                continue;
            }
            let child = [&module[..], std::slice::from_ref(name)].concat();
            if self.0.contains_key(&child) {
                module = child;
                rest = after;
                continue;
            }
            let names = self.0.get(&module)?;
            return match names.names.get(name) {
                Some(Name::Item) => Some(module),
                Some(Name::Import(target)) if target != path => {
                    let target = [&target[..], after].concat();
                    self.home(&module, &target, depth + 1)
                }
                _ => names.globs.iter().find_map(|glob| {
                    let target = [&glob[..], rest].concat();
                    self.home(&module, &target, depth + 1)
                }),
            };
        }
    }

    /// Which files each file takes something from.
    fn arrows(&self) -> BTreeMap<&Path, BTreeSet<&Path>> {
        let mut arrows: BTreeMap<&Path, BTreeSet<&Path>> = BTreeMap::new();
        for (path, module) in &self.0 {
            let from = &*module.file;
            let written = module.paths.iter();
            let homes = written.filter_map(|written| self.home(path, written, 0));
            let files = homes.map(|home| &*self.0[&home].file);
            arrows
                .entry(from)
                .or_default()
                .extend(files.filter(|to| *to != from));
        }
        arrows
    }

    /// Groups of files each of which reaches all others of its group.
    fn circles(&self) -> Vec<Vec<PathBuf>> {
        let arrows = self.arrows();
        let reached: BTreeMap<&Path, BTreeSet<&Path>> = arrows
            .keys()
            .map(|from| (*from, reach(&arrows, from)))
            .collect();
        let mut circles = BTreeSet::new();
        for from in arrows.keys().filter(|from| reached[*from].contains(*from)) {
            let both = reached[from].iter();
            let both = both.filter(|to| reached[*to].contains(from));
            circles.insert(both.map(|file| file.to_path_buf()).collect::<Vec<_>>());
        }
        circles.into_iter().collect()
    }

    /// The arrows within a circle.
    fn describe(&self, circle: &[PathBuf]) -> String {
        let within = |file: &Path| circle.iter().any(|other| other == file);
        let arrows = self.arrows();
        let lines = arrows.iter().filter(|(from, _)| within(from));
        let lines = lines.flat_map(|(from, to)| {
            let to = to.iter().filter(|to| within(to));
            to.map(|to| format!("{} -> {}", from.display(), to.display()))
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

impl ModuleNames {
    fn import(&mut self, tree: &UseTree, before: &[String]) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            UseTree::Path(path) => self.import(&path.tree, &with(&path.ident)),
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.import(tree, before);
                }
            }
            UseTree::Glob(_) => {
                self.paths.push(before.to_vec());
                self.globs.push(before.to_vec());
            }
            UseTree::Name(name) if name.ident == "self" => {
                let called = before.last().expect("a path").clone();
                self.add(called, before.to_vec());
            }
            UseTree::Name(name) => self.add(name.ident.to_string(), with(&name.ident)),
            UseTree::Rename(rename) => self.add(rename.rename.to_string(), with(&rename.ident)),
        }
    }

    fn add(&mut self, name: String, path: Vec<String>) {
        self.paths.push(path.clone());
        self.names.insert(name, Name::Import(path));
    }
}

/// Files that can be reached from one along arrows.
fn reach<'a>(arrows: &BTreeMap<&'a Path, BTreeSet<&'a Path>>, from: &Path) -> BTreeSet<&'a Path> {
    let mut reached = BTreeSet::new();
    let mut left: Vec<_> = arrows[from].iter().copied().collect();
    while let Some(file) = left.pop() {
        if reached.insert(file) {
            left.extend(arrows.get(file).into_iter().flatten());
        }
    }
    reached
}

/// Paths of several parts in what an item is made of.
struct Paths<'a>(&'a mut Vec<Vec<String>>);

impl<'ast> Visit<'ast> for Paths<'_> {
    /// Who may see an item is nothing that it takes.
    fn visit_visibility(&mut self, _visibility: &'ast syn::Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let parts = path.segments.iter();
        let parts: Vec<_> = parts.map(|part| part.ident.to_string()).collect();
        if parts.len() > 1 {
            self.0.push(parts);
        }
        visit::visit_path(self, path);
    }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn only_in_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let syn::Meta::List(list) = &attribute.meta else {
            return false;
        };
        // `test` alone, or with a feature: `all(test, ..)`.
        let condition = list.tokens.to_string();
        let condition = condition
            .trim_start_matches("all")
            .trim_start_matches([' ', '(']);
        list.path.is_ident("cfg") && condition.starts_with("test")
    })
}

/// The name that an item defines.
fn defined(item: &Item) -> impl Iterator<Item = String> {
    let name = match item {
        Item::Const(item) => Some(&item.ident),
        Item::Enum(item) => Some(&item.ident),
        Item::Fn(item) => Some(&item.sig.ident),
        Item::Macro(item) => item.ident.as_ref(),
        Item::Static(item) => Some(&item.ident),
        Item::Struct(item) => Some(&item.ident),
        Item::Trait(item) => Some(&item.ident),
        Item::Type(item) => Some(&item.ident),
        _ => None,
    };
    name.map(ToString::to_string).into_iter()
}

/// The root files of all crates whose layout is judged.
fn roots() -> Vec<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let crates = fs::read_dir(workspace.join("crates")).expect("the crates");
    let mut folders: Vec<_> = crates.map(|entry| entry.expect("a crate").path()).collect();
    folders.push(workspace.join("xtask"));
    let roots = folders.iter().flat_map(|folder| {
        let files = ["src/lib.rs", "src/main.rs"].map(|root| folder.join(root));
        files.into_iter().filter(|root| root.is_file())
    });
    roots.collect()
}

#[test]
fn no_file_takes_from_one_that_takes_from_it() {
    let roots = roots();
    assert!(roots.len() > 10, "{roots:?}");
    let mut circles = Vec::new();
    let mut arrows = 0;
    for root in &roots {
        let found = Crate::read(root);
        arrows += found.arrows().values().map(BTreeSet::len).sum::<usize>();
        circles.extend(found.circles().iter().map(|circle| found.describe(circle)));
    }
    assert!(
        arrows > 500,
        "files take something from one another: {arrows}"
    );
    assert!(circles.is_empty(), "{}", circles.join("\n\n"));
}

#[test]
fn a_circle_is_found_through_a_name_that_the_root_passes_on() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |name: &str, text: &str| {
        let file = folder.path().join(name);
        fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        fs::write(file, text).expect("a file");
    };
    write("lib.rs", "mod above; mod below; pub use above::Above;");
    write(
        "above.rs",
        "use crate::below::part::Below; pub struct Above(Below);",
    );
    write("below/mod.rs", "pub mod part;");
    write(
        "below/part.rs",
        "pub struct Below; #[cfg(test)] mod tests { use crate::Above; }",
    );
    let root = folder.path().join("lib.rs");
    assert_eq!(Crate::read(&root).circles(), Vec::<Vec<PathBuf>>::new());
    write(
        "below/part.rs",
        "pub struct Below; impl Below { fn of(_: &crate::Above) {} }",
    );
    let files = ["above.rs", "below/part.rs"].map(|file| folder.path().join(file));
    assert_eq!(Crate::read(&root).circles(), [files.to_vec()]);
}
