//! What is asked of a server on behalf of a program.

use std::{borrow::Cow, sync::Arc};

use rmcp::model::{
    CallToolRequest, CallToolRequestParams, ClientRequest, GetExtensions as _, GetPromptRequest,
    GetPromptRequestParams, ListPromptsRequest, ListResourceTemplatesRequest, ListResourcesRequest,
    PaginatedRequestParams, ReadResourceRequest, ReadResourceRequestParams, ServerCapabilities,
};
use serde_json::{Map, Value};

use super::{Fault, FaultKind, frame::ExactArguments, question::Input};
use crate::arguments::Arguments;

/// A request that may be made several times, with more input each time.
#[derive(Debug)]
pub(super) enum Request<'a> {
    Tool(&'a str, Arguments),
    Resource(&'a str),
    Prompt(&'a str, Map<String, Value>),
    /// A page of a list, from this cursor on.
    Page(List, Option<String>),
}

/// What servers list beside tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum List {
    /// `resources/list`
    Resources,
    /// `resources/templates/list`
    Templates,
    /// `prompts/list`
    Prompts,
}

impl List {
    /// The method that lists.
    pub(super) fn method(self) -> &'static str {
        match self {
            Self::Resources => "resources/list",
            Self::Templates => "resources/templates/list",
            Self::Prompts => "prompts/list",
        }
    }

    /// Where the items are in a result.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Resources => "resources",
            Self::Templates => "resourceTemplates",
            Self::Prompts => "prompts",
        }
    }

    /// What is said of a server that has none of it.
    pub(super) fn is_missing(self) -> Fault {
        let what = match self {
            Self::Resources | Self::Templates => "resources",
            Self::Prompts => "prompts",
        };
        Fault::new(FaultKind::Failed, format!("the server has no {what}"))
    }
}

impl Request<'_> {
    /// Refuses what the server does not have. `has` tells what it declares.
    pub(super) fn is_possible(
        &self,
        has: impl Fn(fn(&ServerCapabilities) -> bool) -> bool,
    ) -> Result<(), Fault> {
        let list = match self {
            // Some servers have tools and do not say so.
            Self::Tool(..) => return Ok(()),
            Self::Resource(_) => List::Resources,
            Self::Prompt(..) => List::Prompts,
            Self::Page(list, _) => *list,
        };
        let is_there = match list {
            List::Resources | List::Templates => has(|declared| declared.resources.is_some()),
            List::Prompts => has(|declared| declared.prompts.is_some()),
        };
        if is_there {
            Ok(())
        } else {
            Err(list.is_missing())
        }
    }

    pub(super) fn with(&self, input: &Input) -> ClientRequest {
        let responses = (!input.responses.is_empty()).then(|| input.responses.clone());
        let state = input.state.clone();
        match self {
            Self::Tool(name, arguments) => {
                let mut params = CallToolRequestParams::new(Cow::Owned((*name).to_owned()));
                params.arguments = arguments.for_headers();
                (params.input_responses, params.request_state) = (responses, state);
                let mut request = CallToolRequest::new(params);
                let exact = ExactArguments(Arc::clone(&arguments.text));
                request.extensions_mut().insert(exact);
                request.into()
            }
            Self::Resource(uri) => {
                let mut params = ReadResourceRequestParams::new(*uri);
                (params.input_responses, params.request_state) = (responses, state);
                ReadResourceRequest::new(params).into()
            }
            Self::Prompt(name, arguments) => {
                let mut params =
                    GetPromptRequestParams::new(*name).with_arguments(arguments.clone());
                (params.input_responses, params.request_state) = (responses, state);
                GetPromptRequest::new(params).into()
            }
            Self::Page(list, cursor) => {
                let page = PaginatedRequestParams::default().with_cursor(cursor.clone());
                let params = cursor.is_some().then_some(page);
                match list {
                    List::Resources => ListResourcesRequest {
                        method: Default::default(),
                        params,
                        extensions: Default::default(),
                    }
                    .into(),
                    List::Templates => ListResourceTemplatesRequest {
                        method: Default::default(),
                        params,
                        extensions: Default::default(),
                    }
                    .into(),
                    List::Prompts => ListPromptsRequest {
                        method: Default::default(),
                        params,
                        extensions: Default::default(),
                    }
                    .into(),
                }
            }
        }
    }
}
