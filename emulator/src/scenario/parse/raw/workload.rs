//! What runs on the nodes, as it is written.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::scenario::parse::choice::Choice;
use crate::scenario::parse::leaf::{List, NodeName, Text, Whole, leaf_schema};
use crate::scenario::parse::macros::{kinds, table};
use crate::scenario::parse::quantity::{PerSecond, Period};
use crate::scenario::parse::reader::{At, Read, Reader};
use crate::scenario::parse::tree::{Node, Value};
use node::config::Arrival;

/// A port.
pub type Port = Whole<1, 65_535>;

kinds! {
    /// What runs on the nodes.
    pub enum Workload as "{ kind = \"command\" }" {
        /// A model, spread over the workers: `[model]`, `[plan]` and `[load]` say how.
        "inference" => Inference(OfModel),
        /// Programs of others: `[node]` says what runs where, and `[[probe]]` what is measured. docs/workloads.md has the whole story.
        "command" => Command(OfCommands),
    }
}

table! {
    /// Nothing besides.
    pub struct OfModel as "" {
    }
}

table! {
    /// What programs of others need.
    pub struct OfCommands as "" {
        /// How long a node may take to be ready, and a `check` to end.
        patience: Optional<Period> = "30 s",
        /// Programs that must be on this host besides those that command lines begin with, and the package that each is in:
        /// `{ etcdctl = "etcd-client" }`. A program that is missing is told with its package.
        needs: Optional<Needs>,
    }
}

/// Programs and their packages.
#[derive(Debug, Clone)]
pub struct Needs(pub Vec<(At<String>, String)>);

impl Read for Needs {
    const WHAT: &'static str = "a table of programs and their packages";
    const EXAMPLE: &'static str = "{ etcdctl = \"etcd-client\" }";
    fn read(node: &Node, reader: &mut Reader) -> Option<Needs> {
        reader.table(node, Self::EXAMPLE, |table| {
            let mut needs = Vec::new();
            for entry in table.rest() {
                if let Some(Text(package)) = table.read::<Text>(entry) {
                    needs.push((At { value: entry.key.clone(), place: entry.place }, package));
                }
            }
            table.all_known();
            Some(Needs(needs))
        })
    }
}
leaf_schema!(
    Needs,
    "Needs",
    json_schema!({ "title": "programs and packages", "type": "object", "additionalProperties": { "type": "string" } })
);

/// A command line: a list of words, or a text for the shell.
#[derive(Debug, Clone)]
pub struct CommandLine(pub Vec<At<String>>);

impl Read for CommandLine {
    const WHAT: &'static str = "a list of words, or a text for the shell";
    const EXAMPLE: &'static str = "[\"iperf3\", \"--server\"]";
    fn read(node: &Node, reader: &mut Reader) -> Option<CommandLine> {
        let word = |value: &str| At { value: value.to_owned(), place: node.place };
        match &node.value {
            Value::Text(text) if !text.trim().is_empty() => Some(CommandLine(vec![word("sh"), word("-c"), word(text)])),
            Value::List(words) if !words.is_empty() => {
                let List(words) = List::<Text>::read(node, reader)?;
                let words = words.into_iter().map(|At { value: Text(value), place }| At { value, place });
                Some(CommandLine(words.collect()))
            }
            _ => {
                reader.wrong_type::<CommandLine>(node);
                None
            }
        }
    }
}

impl JsonSchema for CommandLine {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "CommandLine".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "title": "words or shell text",
            "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" }, "minItems": 1 }]
        })
    }
}

kinds! {
    /// By what it is seen that a node's program serves.
    pub enum Ready as "{ kind = \"tcp\", port = 2379 }" {
        /// It accepts a connection on the node's address.
        "tcp" => Tcp(ReadyTcp),
        /// It answers a GET with a status from 200 to 299.
        "http" => Http(ReadyHttp),
        /// A command, asked again and again, ends with exit code 0.
        "command" => Command(ReadyCommand),
        /// A line of what it says has a text in it.
        "log" => Log(ReadyLog),
    }
}

table! {
    /// It accepts a connection.
    pub struct ReadyTcp as "" {
        /// On which port.
        port: Required<Port>,
    }
}

table! {
    /// It answers a GET.
    pub struct ReadyHttp as "" {
        /// On which port.
        port: Required<Port>,
        /// What is asked for.
        path: Optional<Text> = "/",
    }
}

table! {
    /// A command ends with exit code 0.
    pub struct ReadyCommand as "" {
        /// Which.
        run: Required<CommandLine>,
    }
}

table! {
    /// A line of its output.
    pub struct ReadyLog as "" {
        /// What the line has in it, on standard output or standard error.
        text: Required<Text>,
    }
}

kinds! {
    /// What is measured: each attempt is a request, and its answer a result.
    pub enum Probe as "{ kind = \"ping\", from = \"n01\", to = \"n00\" }" {
        /// An ICMP echo is answered.
        "ping" => Ping(PingProbe),
        /// A TCP connection is made, and closed.
        "tcp" => Tcp(TcpProbe),
        /// A GET is answered with a status from 200 to 299, and the whole of the answer arrives.
        "http" => Http(HttpProbe),
        /// A command ends with exit code 0. `{{number}}` in it stands for a number that no other attempt of the run has.
        "command" => Command(CommandProbe),
    }
}

table! {
    /// An ICMP echo.
    pub struct PingProbe as "" {
        /// To which node.
        to: Required<Text>,
        ..pace: Pace,
    }
}

table! {
    /// A TCP connection.
    pub struct TcpProbe as "" {
        /// To which node.
        to: Required<Text>,
        /// To which port.
        port: Required<Port>,
        ..pace: Pace,
    }
}

table! {
    /// A GET.
    pub struct HttpProbe as "" {
        /// Of which node.
        to: Required<Text>,
        /// On which port.
        port: Required<Port>,
        /// What is asked for.
        path: Optional<Text> = "/",
        ..pace: Pace,
    }
}

table! {
    /// A command.
    pub struct CommandProbe as "" {
        /// Which.
        run: Required<CommandLine>,
        ..pace: Pace,
    }
}

table! {
    /// From where something is measured, and how often.
    pub struct Pace as "" {
        /// From which node. It measures, so no fault may hit it; its links may fail.
        from: Required<Text>,
        /// What it is called; its kind and its number when not given. `{{state}}/NAME.answered` on its node has the numbers of
        /// the attempts that were answered, a line each.
        name: Optional<NodeName>,
        /// How many attempts are made each second, whether or not earlier ones were answered; `"10 /s"` when neither this nor `concurrency` is given.
        rate: Optional<PerSecond>,
        /// How attempts at a `rate` are spaced: evenly (`constant`), or with exponential gaps (`poisson`).
        arrival: Optional<Choice<Arrival>> = "constant",
        /// So many attempts are always under way, instead of a `rate`: the next begins when one is answered, or 100 ms after it failed.
        concurrency: Optional<Whole<1, 100>>,
        /// How long an answer may take.
        timeout: Optional<Period> = "1 s",
    }
}
