package schema

// Mount is one thing mounted at one path of a job.
type Mount struct {
	Volumes      []string `name:"volume" change:"replace" doc:"A volume, by reference, or several as alternatives: the one where the instance is gets mounted. Names of volumes will do."`
	InstancePath string   `name:"instance_path" change:"replace" doc:"A folder of the instance, made when missing."`
	Path         string   `name:"path,required" change:"replace" doc:"Where it appears in the job."`
	Optional     bool     `name:"optional" change:"replace" doc:"Whether the job may run on a backend without instance folders."`
}
