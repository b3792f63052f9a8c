// Calls every method of every service with nothing of Striate's but its .proto files.
// node calls.mjs ADDRESS PROTOS PHOTO; prints one JSON document.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(`${process.cwd()}/`);
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");

const [address, protos, photo] = process.argv.slice(2);
const files = ["striate/v1/photo_tagging.proto", "striate/v1/photos.proto", "inference/inference.proto"];
const { striate, inference } = grpc.loadPackageDefinition(
  loader.loadSync(files, { includeDirs: [protos], defaults: true, longs: Number, enums: String }),
);
const image = readFileSync(photo);

function connect(Service) {
  return new Service(address, grpc.credentials.createInsecure());
}

function ask(client, method, request) {
  return new Promise((resolve, reject) =>
    client[method](request, { deadline: Date.now() + 20_000 }, (error, answer) =>
      error ? reject(error) : resolve(answer),
    ),
  );
}

function stream(client, photos) {
  return new Promise((resolve, reject) => {
    const answers = [];
    const call = client.TagStream({ deadline: Date.now() + 20_000 });
    call.on("data", (message) => answers.push(...message.answers));
    call.on("error", reject);
    call.on("end", () => resolve(answers));
    call.write({ photos });
    call.end();
  });
}

const tagging = connect(striate.v1.PhotoTagging);
const photos = connect(striate.v1.Photos);
const models = connect(inference.GRPCInferenceService);
const infer = {
  modelName: "digits",
  inputs: [{ name: "image", datatype: "BYTES", shape: [1], contents: { bytesContents: [image] } }],
};
const found = {
  Tag: await ask(tagging, "Tag", { image, topK: 2 }),
  TagStream: await stream(tagging, [{ id: "mine", photo: { image } }]),
  Analyze: await ask(photos, "Analyze", { image, region: "US" }),
  ServerLive: await ask(models, "ServerLive", {}),
  ServerReady: await ask(models, "ServerReady", {}),
  ModelReady: await ask(models, "ModelReady", { name: "digits" }),
  Unknown: await ask(models, "ModelReady", { name: "letters" }),
  ServerMetadata: await ask(models, "ServerMetadata", {}),
  ModelMetadata: await ask(models, "ModelMetadata", { name: "digits" }),
  ModelInfer: await ask(models, "ModelInfer", infer),
};
console.log(JSON.stringify(found));
process.exit(0);
