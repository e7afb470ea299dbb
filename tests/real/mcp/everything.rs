//! What the MCP server serves, whoever lets the clients in.

use std::time::Duration;

use http::request::Parts;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CompleteRequestParams, CompleteResult, GetPromptRequestParams,
    GetPromptResponse, GetPromptResult, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult,
    ListToolsResult, PaginatedRequestParams, ProgressNotificationParam, ReadResourceRequestParams,
    ReadResourceResponse, ReadResourceResult, ServerCapabilities, ServerConfig, SubscribeRequestParams, Tool,
    UnsubscribeRequestParams,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tower_bearer::{AccessToken, Rejection};

use super::server::Fast;

const PNG: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";
const WAV: &str = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=";

/// Longer than a token is good for, unless it comes of a refresh token.
const NAP: Duration = Duration::from_secs(400);

/// A bit of everything: `whoami`, `delete` and `nap` for the clients, the rest for the conformance suite.
pub(super) struct Everything {
    clock: Fast,
}

impl Everything {
    pub(super) fn new(clock: Fast) -> Self {
        Self { clock }
    }
}

impl ServerHandler for Everything {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_completions()
            .enable_prompts()
            .enable_resources()
            .enable_resources_subscribe()
            .enable_tools();
        ServerConfig::new(capabilities.build())
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(complete(json!({ "tools": tools() })))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        tools().into_iter().find(|tool| tool["name"] == name).map(model)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        if let Some(questions) = questions(&request.name) {
            return Ok(ask(&request, &questions));
        }
        let fails = request.name == "test_error_handling";
        let content = match &*request.name {
            "whoami" => vec![text(&caller(&context))],
            "delete" => {
                let refused = |rejection: Rejection| ErrorData::invalid_request(rejection.to_string(), None);
                token(&context).map_err(refused)?.require_scopes(["files:delete"]).map_err(refused)?;
                vec![text("deleted")]
            }
            "nap" => {
                self.clock.advance(NAP);
                vec![text("slept")]
            }
            "test_tool_with_progress" => {
                progress(&context).await;
                vec![text("done")]
            }
            "test_sampling" => {
                let arguments = json!(request.arguments);
                vec![sample(&context, arguments["prompt"].as_str().unwrap()).await?]
            }
            "test_error_handling" => vec![text("This tool intentionally returns an error for testing")],
            "test_multiple_content_types" => {
                vec![text("Multiple content types test:"), image(), embedded("test://mixed-content-resource")]
            }
            "test_simple_text" => vec![text("This is a simple text response for testing.")],
            "test_image_content" => vec![image()],
            "test_audio_content" => vec![json!({ "type": "audio", "data": WAV, "mimeType": "audio/wav" })],
            "test_embedded_resource" => vec![embedded("test://embedded-resource")],
            _ => return Err(ErrorData::invalid_params("no such tool", None)),
        };
        Ok(CallToolResponse::Complete(complete(json!({ "content": content, "isError": fails }))))
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Ok(complete(json!({ "resources": [
            { "uri": "test://static-text", "name": "text", "mimeType": "text/plain" },
            { "uri": "test://static-binary", "name": "binary", "mimeType": "image/png" },
        ] })))
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(complete(json!({ "resourceTemplates": [
            { "uriTemplate": "test://template/{id}/data", "name": "data", "mimeType": "application/json" },
        ] })))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let uri = &*request.uri;
        let template = uri.strip_prefix("test://template/").and_then(|rest| rest.strip_suffix("/data"));
        let content = match (uri, template) {
            ("test://static-text", _) => json!({ "uri": uri, "mimeType": "text/plain", "text": "static" }),
            ("test://static-binary", _) => json!({ "uri": uri, "mimeType": "image/png", "blob": PNG }),
            (_, Some(id)) => {
                let text = json!({ "id": id, "templateTest": true, "data": format!("Data for ID: {id}") });
                json!({ "uri": uri, "mimeType": "application/json", "text": text.to_string() })
            }
            _ => return Err(ErrorData::resource_not_found("no such resource", Some(json!({ "uri": uri })))),
        };
        Ok(ReadResourceResponse::Complete(complete::<ReadResourceResult>(json!({ "contents": [content] }))))
    }

    async fn subscribe(
        &self,
        _: SubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn unsubscribe(
        &self,
        _: UnsubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let prompt = |name: &str, arguments: &[&str]| {
            let arguments: Vec<_> =
                arguments.iter().map(|name| json!({ "name": name, "required": true })).collect();
            json!({ "name": name, "description": name, "arguments": arguments })
        };
        Ok(complete(json!({ "prompts": [
            prompt("test_simple_prompt", &[]),
            prompt("test_prompt_with_arguments", &["arg1", "arg2"]),
            prompt("test_prompt_with_embedded_resource", &["resourceUri"]),
            prompt("test_prompt_with_image", &[]),
        ] })))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let arguments = Value::Object(request.arguments.unwrap_or_default());
        let argument = |name: &str| arguments[name].as_str().unwrap_or_default();
        let contents = match &*request.name {
            "test_simple_prompt" => vec![text("This is a simple prompt for testing.")],
            "test_prompt_with_arguments" => vec![text(&format!(
                "Prompt with arguments: arg1='{}', arg2='{}'",
                argument("arg1"),
                argument("arg2")
            ))],
            "test_prompt_with_embedded_resource" => {
                vec![embedded(argument("resourceUri")), text("Please process the embedded resource above.")]
            }
            "test_prompt_with_image" => vec![image(), text("Please analyze the image above.")],
            _ => return Err(ErrorData::invalid_params("no such prompt", None)),
        };
        let messages: Vec<_> =
            contents.into_iter().map(|content| json!({ "role": "user", "content": content })).collect();
        Ok(GetPromptResponse::Complete(complete::<GetPromptResult>(json!({ "messages": messages }))))
    }

    async fn complete(
        &self,
        _: CompleteRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        Ok(complete(json!({ "completion": { "values": ["test"], "total": 1, "hasMore": false } })))
    }
}

fn tools() -> Vec<Value> {
    [
        "whoami",
        "delete",
        "nap",
        "test_simple_text",
        "test_image_content",
        "test_audio_content",
        "test_embedded_resource",
        "test_multiple_content_types",
        "test_tool_with_progress",
        "test_error_handling",
        "test_sampling",
        "test_input_required_result_elicitation",
        "test_input_required_result_sampling",
        "test_input_required_result_list_roots",
        "test_input_required_result_request_state",
        "test_input_required_result_multiple_inputs",
    ]
    .map(|name| json!({ "name": name, "description": name, "inputSchema": { "type": "object" } }))
    .into()
}

/// Who calls, by the token that the layer put into the request.
fn caller(context: &RequestContext<RoleServer>) -> String {
    let described = |token: &AccessToken| format!("{}: {}", token.subject().unwrap(), token.scopes());
    token(context).map_or_else(|_| "nobody".to_owned(), described)
}

fn token(context: &RequestContext<RoleServer>) -> Result<&AccessToken, Rejection> {
    AccessToken::from_parts(context.extensions.get::<Parts>().unwrap())
}

async fn progress(context: &RequestContext<RoleServer>) {
    let Some(token) = context.meta.get_progress_token() else {
        return;
    };
    for progress in [0.0, 50.0, 100.0] {
        let step = ProgressNotificationParam::new(token.clone(), progress).with_total(100.0);
        context.peer.notify_progress(step).await.unwrap();
    }
}

/// Asks the model of the client.
#[expect(deprecated, reason = "clients of 2025-11-25 are asked in the middle of a call")]
async fn sample(context: &RequestContext<RoleServer>, prompt: &str) -> Result<Value, ErrorData> {
    let question = json!({ "messages": [{ "role": "user", "content": text(prompt) }], "maxTokens": 100 });
    let answer = context.peer.create_message(model(question)).await;
    let answer = answer.map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
    Ok(text(&format!("LLM response: {:?}", answer.message)))
}

/// What a tool has to know before it does anything: clients of 2026-07-28 are asked in an answer, and call again.
fn questions(tool: &str) -> Option<Value> {
    let name = json!({ "method": "elicitation/create", "params": {
        "message": "What is your name?",
        "requestedSchema": {
            "type": "object",
            "properties": { "name": { "type": "string" } },
            "required": ["name"],
        },
    } });
    let capital = json!({ "method": "sampling/createMessage", "params": {
        "messages": [{ "role": "user", "content": text("What is the capital of France?") }],
        "maxTokens": 100,
    } });
    let roots = json!({ "method": "roots/list", "params": {} });
    match tool.strip_prefix("test_input_required_result_")? {
        "elicitation" => Some(json!({ "user_name": name })),
        "sampling" => Some(json!({ "capital_question": capital })),
        "list_roots" => Some(json!({ "client_roots": roots })),
        "request_state" => Some(json!({ "confirm": name })),
        "multiple_inputs" => Some(json!({ "user_name": name, "greeting": capital, "roots": roots })),
        _ => None,
    }
}

/// Asks until everything is answered.
fn ask(request: &CallToolRequestParams, questions: &Value) -> CallToolResponse {
    let answers = json!(request.input_responses);
    let open = questions.as_object().unwrap().keys().any(|key| match &**key {
        "user_name" => !answers[key]["content"]["name"].is_string(),
        _ => !answers[key].is_object(),
    });
    if open {
        return CallToolResponse::InputRequired(model(json!({
            "resultType": "input_required",
            "inputRequests": questions,
            "requestState": "asked",
        })));
    }
    CallToolResponse::Complete(complete(json!({ "content": [text("Thank you!")] })))
}

fn text(text: &str) -> Value {
    json!({ "type": "text", "text": text })
}

fn image() -> Value {
    json!({ "type": "image", "data": PNG, "mimeType": "image/png" })
}

fn embedded(uri: &str) -> Value {
    let resource = json!({ "uri": uri, "mimeType": "text/plain", "text": "This is an embedded resource." });
    json!({ "type": "resource", "resource": resource })
}

/// A complete result. Since 2026-07-28 it has to say so, and for how long it may be kept.
fn complete<T: DeserializeOwned>(mut result: Value) -> T {
    result["resultType"] = json!("complete");
    result["ttlMs"] = json!(0);
    result["cacheScope"] = json!("private");
    model(result)
}

/// The models of the SDK cannot be built by their fields.
fn model<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}
