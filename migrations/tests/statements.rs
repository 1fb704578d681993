//! Every SQL statement of the sources is prepared against the migrated schema, so that a renamed column fails here and
//! not in front of a user.

#![allow(clippy::unwrap_used, reason = "a test says what it expects")]

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use devstack::{Options, Stack};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, PgPool, SqlSafeStr as _};
use syn::{
    Expr, ExprCall, ExprForLoop, ExprPath, ItemConst, LitStr, Local, Macro, Pat, Token,
    punctuated::Punctuated,
    spanned::Spanned as _,
    visit::{self, Visit},
};

/// Files with statements that are built while the program runs, and why they must be.
const BUILT: [(&str, &str); 1] =
    [("query-worker/src/search/vector.rs", "the dimension of a model's vectors is part of their index")];

/// PostgreSQL's "ambiguous parameter" and "indeterminate datatype": the program names the type of a parameter when it
/// binds it. The names in the statement have been looked up by then.
const UNTYPED_PARAMETER: [&str; 2] = ["42P08", "42P18"];

#[tokio::test]
async fn every_statement_fits_the_schema() {
    let url = tokio::task::spawn_blocking(|| {
        let stack = Stack::start(Options { redis_url: Some(String::new()), ..Options::default() }).unwrap();
        let url = stack.database("statements").unwrap();
        (stack, url)
    });
    let (_stack, url) = url.await.unwrap();
    migrations::postgres(&PgPool::connect(&url).await.unwrap()).await.unwrap();
    let mut database = PgConnection::connect(&url).await.unwrap();
    // The first model has the tables that a statement may name.
    database.execute("SELECT acorag_add_model('model', 'digest', 384)").await.unwrap();
    let (mut prepared, mut problems) = (0, Vec::new());
    for (name, source) in sources() {
        let file = Statements::of(&source);
        problems.extend(
            file.unknown
                .iter()
                .filter(|_| !is_built(&name))
                .map(|line| format!("{name}:{line}: the statement is not a literal")),
        );
        for (line, statement) in file.known {
            let checked = AssertSqlSafe(statement.clone()).into_sql_str();
            match database.prepare(checked).await {
                Err(sqlx::Error::Database(error))
                    if error.code().is_some_and(|code| UNTYPED_PARAMETER.contains(&&*code)) => {}
                Err(sqlx::Error::Database(error)) => {
                    problems.push(format!("{name}:{line}: {}", error.message()));
                }
                Err(error) => problems.push(format!("{name}:{line}: {error}")),
                // What follows in the file may read it.
                Ok(_) if statement.starts_with("CREATE TEMP TABLE") => {
                    database.execute(AssertSqlSafe(statement)).await.unwrap();
                }
                Ok(_) => {}
            }
            prepared += 1;
        }
        database.execute("DISCARD TEMP").await.unwrap();
    }
    assert!(problems.is_empty(), "of {prepared} statements:\n{}", problems.join("\n"));
    assert!(prepared > 100, "only {prepared} statements were found");
}

fn is_built(name: &str) -> bool {
    BUILT.iter().any(|(file, _)| *file == name)
}

/// The Rust files of every crate's `src`, by their path in the workspace.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut folders: Vec<PathBuf> =
        fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path().join("src")).collect();
    folders.retain(|folder| folder.is_dir());
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root).unwrap().display().to_string();
                files.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

/// The statements of one file, each with its line.
#[derive(Default)]
struct Statements {
    known: Vec<(usize, String)>,
    /// Lines of calls whose statement could not be told.
    unknown: Vec<usize>,
}

impl Statements {
    fn of(source: &str) -> Self {
        let file = syn::parse_file(source).unwrap();
        let mut names = Names::default();
        names.visit_file(&file);
        let mut calls = Calls::default();
        calls.visit_file(&file);
        let mut statements = Self::default();
        for (line, parts) in &calls.0 {
            let found = names.literals(parts);
            if found.is_empty() {
                statements.unknown.push(*line);
            }
            statements.known.extend(found);
        }
        // A macro may hide a call from the parser: it counts as one whose statement cannot be told.
        let written = source.lines().filter(|line| !line.trim_start().starts_with("//"));
        if written.map(|line| line.matches("sqlx::query").count()).sum::<usize>() > calls.0.len() {
            statements.unknown.push(0);
        }
        statements.known.sort();
        statements.known.dedup();
        statements
    }
}

/// What an expression is made of, as far as it may be a statement.
#[derive(Clone)]
enum Part {
    Literal(usize, String),
    Name(String),
}

#[derive(Default)]
struct Parts(Vec<Part>);

impl Parts {
    fn of(expression: &Expr) -> Vec<Part> {
        let mut parts = Self::default();
        parts.visit_expr(expression);
        parts.0
    }
}

impl<'ast> Visit<'ast> for Parts {
    fn visit_lit_str(&mut self, literal: &'ast LitStr) {
        // Statements begin with a word in capitals; what stands beside them in a table does not.
        let text = literal.value();
        if text.trim_start().bytes().take(3).all(|byte| byte.is_ascii_uppercase()) {
            self.0.push(Part::Literal(literal.span().start().line, text));
        }
    }

    fn visit_expr_path(&mut self, path: &'ast ExprPath) {
        self.0.extend(path.path.segments.last().map(|last| Part::Name(last.ident.to_string())));
    }
}

/// What the names of a file may stand for: its constants, and its variables wherever they are bound.
#[derive(Default)]
struct Names(HashMap<String, Vec<Part>>);

impl Names {
    fn bind(&mut self, pattern: &Pat, expression: &Expr) {
        match pattern {
            Pat::Ident(name) => {
                self.0.entry(name.ident.to_string()).or_default().extend(Parts::of(expression));
            }
            Pat::Tuple(tuple) => tuple.elems.iter().for_each(|pattern| self.bind(pattern, expression)),
            _ => {}
        }
    }

    fn literals(&self, parts: &[Part]) -> Vec<(usize, String)> {
        let bound = |name: &str| self.0.get(name).cloned().unwrap_or_default();
        parts
            .iter()
            .flat_map(|part| match part {
                Part::Literal(line, text) => vec![(*line, text.clone())],
                // A variable may run over a constant, and a constant is made of literals.
                Part::Name(name) => {
                    let (names, literals): (Vec<_>, Vec<_>) =
                        bound(name).into_iter().partition(|part| matches!(part, Part::Name(_)));
                    let behind = names.iter().flat_map(|part| match part {
                        Part::Name(name) => bound(name),
                        Part::Literal(..) => Vec::new(),
                    });
                    literals
                        .into_iter()
                        .chain(behind)
                        .filter_map(|part| match part {
                            Part::Literal(line, text) => Some((line, text)),
                            Part::Name(_) => None,
                        })
                        .collect()
                }
            })
            .collect()
    }
}

impl<'ast> Visit<'ast> for Names {
    fn visit_local(&mut self, local: &'ast Local) {
        if let Some(init) = &local.init {
            self.bind(&local.pat, &init.expr);
        }
        visit::visit_local(self, local);
    }

    fn visit_expr_for_loop(&mut self, each: &'ast ExprForLoop) {
        self.bind(&each.pat, &each.expr);
        visit::visit_expr_for_loop(self, each);
    }

    fn visit_item_const(&mut self, item: &'ast ItemConst) {
        self.0.entry(item.ident.to_string()).or_default().extend(Parts::of(&item.expr));
    }
}

/// Every call of `sqlx::query` and its kind, with its line and what its statement is made of.
#[derive(Default)]
struct Calls(Vec<(usize, Vec<Part>)>);

impl<'ast> Visit<'ast> for Calls {
    fn visit_expr_call(&mut self, call: &'ast ExprCall) {
        if let Expr::Path(ExprPath { path, .. }) = &*call.func
            && path.segments.len() == 2
            && path.segments[0].ident == "sqlx"
            && ["query", "query_as", "query_scalar"].iter().any(|name| path.segments[1].ident == name)
            && let Some(statement) = call.args.first()
        {
            self.0.push((call.span().start().line, Parts::of(statement)));
        }
        visit::visit_expr_call(self, call);
    }

    fn visit_macro(&mut self, invocation: &'ast Macro) {
        if let Ok(arguments) = invocation.parse_body_with(Punctuated::<Expr, Token![,]>::parse_terminated) {
            // The call has to outlive nothing: its parts are copied.
            let mut inner = Self::default();
            for argument in &arguments {
                Visit::visit_expr(&mut inner, argument);
            }
            self.0.extend(inner.0);
        }
    }
}
